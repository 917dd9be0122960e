# SPDX-License-Identifier: BSD-3-Clause
"""Programs of telecom networks as pairs, each a function as those of programs.py: two signalling
transfer points (M3UA), two Diameter peers."""
import signal

from .programs import PROGRAMS, PYTHON, client_address, ended, need, new_port
from .sides import cases, processes

NEAR_CODE, FAR_CODE = (1, 1, 1), (2, 2, 2)  # point codes of 3, 8 and 3 bits
MESSAGES = 50

STP = """\
log stderr
 logging filter all 1
 logging color 0
 logging timestamp 0
 logging level set-all notice
 logging level lss7 info
 logging level lm3ua info
line vty
 no login
 bind {terminal}
cs7 instance 0
 xua rkm routing-key-allocation dynamic-permitted
 listen m3ua {port}
  local-ip {address}
  accept-asp-connections dynamic-permitted
 asp other {other_port} {own_port} m3ua
  remote-ip {other_address}
  local-ip {own_address}
  role {role}
  sctp-role {sctp_role}
 as others m3ua
  asp other
  routing-key 7 {far}
 route-table system
  update route {others} 7.255.7 linkset others
"""


def point_code(parts):
    return parts[0] << 11 | parts[1] << 3 | parts[2]


def dotted(parts):
    return '.'.join(map(str, parts))


def osmo_stp(t, server_place, client_place, address):
    """A process at each of the two; the messages between them cross both and the link between."""
    need('osmo-stp')
    port, client_port, link_port = new_port(), new_port(), new_port()

    def start(place, name, text):
        path = t.log(f'{name}.cfg')
        path.write_text(text)
        started = place.start(['osmo-stp', '-c', path])
        started.expect('Available via telnet')
        return started

    def asp(place, *words):
        started = place.start([PYTHON, PROGRAMS / 'm3ua_asp.py', *words])
        started.expect('active')
        return started

    own = client_address(server_place, client_place)
    # The terminals may be in one namespace, and their port is fixed.
    server = start(server_place, 'server', STP.format(
        terminal='127.0.1.1', port=port, address=address, role='sg', sctp_role='server',
        own_address=address, own_port=port, other_address=own, other_port=link_port,
        far=dotted(FAR_CODE), others=dotted(FAR_CODE)))
    client = start(client_place, 'client', STP.format(
        terminal='127.0.1.2', port=client_port, address='127.0.0.1', role='asp', sctp_role='client',
        own_address=own, own_port=link_port, other_address=address, other_port=port,
        far=dotted(FAR_CODE), others=dotted(NEAR_CODE)))
    client.expect('AS Active')
    answers = asp(client_place, 'answer', '127.0.0.1', client_port, point_code(FAR_CODE))
    calls = asp(server_place, 'call', address, port, point_code(NEAR_CODE), point_code(FAR_CODE),
                MESSAGES)
    ended(calls)
    calls.expect(f'{MESSAGES} answers')
    answers.end()
    for stp in (client, server):
        if not stp.alive():
            raise AssertionError(f'osmo-stp ended: {stp.lines[-3:]}')
        stp.end()


DIAMETER = """\
Identity = "{name}.localdomain";
Realm = "localdomain";
Port = {port};
SecPort = 0;
No_TCP;
No_IPv6;
ListenOn = "{address}";
TcTimer = 6;
TwTimer = 6;
TLS_Cred = "{certificate}", "{key}";
TLS_CA = "{certificate}";
ConnectPeer = "{other}.localdomain" {{ ConnectTo = "{other_address}"; No_TLS; port = {other_port}; }};
"""


AUTHORITY = """[ca]
default_ca = itself
[itself]
database = {folder}/{name}.index
new_certs_dir = {folder}
default_md = sha256
rand_serial = yes
policy = named
x509_extensions = authority
[named]
commonName = supplied
[authority]
basicConstraints = CA:TRUE
"""


def certify(t, name):
    """Key and certificate of a host, its own authority. Valid for long: user-mode Linux has a clock of
    its own, which is late where the machine is busy."""
    certificate, key, request = t.log(f'{name}.crt'), t.log(f'{name}.key'), t.log(f'{name}.csr')
    authority = t.log(f'{name}.ca')
    authority.write_text(AUTHORITY.format(folder=t.folder, name=name))
    t.log(f'{name}.index').write_text('')
    processes.run(['openssl', 'req', '-new', '-newkey', 'ec', '-pkeyopt',
                   'ec_paramgen_curve:prime256v1', '-nodes', '-subj', f'/CN={name}.localdomain',
                   '-keyout', key, '-out', request])
    processes.run(['openssl', 'ca', '-batch', '-selfsign', '-config', authority, '-keyfile', key,
                   '-startdate', '20200101000000Z', '-enddate', '20400101000000Z', '-notext',
                   '-in', request, '-out', certificate])
    return certificate, key


def terminated(job):
    """A freeDiameterd, whose own end is a race where the machine is busy: for who still reads a peer's
    queue it waits twenty times, and aborts then (libfdproto/fifo.c)."""
    job.wait(30)
    if not any('fd_fifo_del: Assertion' in line for line in job.lines[-5:]):
        ended(job)


def free_diameter(t, server_place, client_place, _address):
    """Each knows the other. The first finds nobody; the second connects, and then each asks at times
    whether the other is alive. Addresses of loopback are none to it."""
    need('freeDiameterd')
    need('openssl')
    server_port, client_port = new_port(), new_port()

    def start(place, name, port, other, other_place, other_port):
        certificate, key = certify(t, name)
        path = t.log(f'{name}.conf')
        path.write_text(DIAMETER.format(
            name=name, port=port, address=place.address, certificate=certificate, key=key,
            other=other, other_address=other_place.address, other_port=other_port))
        started = place.start(['freeDiameterd', '-dd', '-c', path])
        started.expect('daemon initialized')
        return started

    server = start(server_place, 'server', server_port, 'client', client_place, client_port)
    server.expect("'client.localdomain'")
    client = start(client_place, 'client', client_port, 'server', server_place, server_port)
    for peer, other in ((server, 'client'), (client, 'server')):
        peer.expect(f"-> 'STATE_OPEN'\t'{other}.localdomain'")
    for peer, other in ((server, 'client'), (client, 'server')):
        # Every six seconds, two more or less by chance, who was silent longer asks, and both begin
        # anew (RFC 3539 section 3.4.1): one may be first several times on end.
        peer.expect(f"SENT to '{other}.localdomain': 'Device-Watchdog-Answer'", 75)
    client.send_signal(signal.SIGTERM)
    server.expect("Peer 'client.localdomain' sent a DPR")
    terminated(client)
    server.send_signal(signal.SIGTERM)
    terminated(server)


ALL = [osmo_stp, free_diameter]
