% SPDX-License-Identifier: BSD-3-Clause
% A client on Erlang's gen_sctp: gen_sctp_client PORT OTHER_PORT ADDRESS...
% A one-to-many socket with an association to each of the server's two ports, first passive, then
% active; options of each; how they end. Then a one-to-one socket.
-module(gen_sctp_client).
-export([main/1]).
-include_lib("kernel/include/inet_sctp.hrl").

main(Words) ->
  try run(Words) of
    _ -> halt(0)
  catch
    _:Why:Where -> io:format("~p at ~p~n", [Why, Where]), halt(1)
  end.

run([PortText, OtherText | Addresses]) ->
  [Port, Other] = [list_to_integer(Text) || Text <- [PortText, OtherText]],
  [{ok, Address} | _] = [inet:parse_address(Text) || Text <- Addresses],
  {ok, Socket} = gen_sctp:open([binary, {type, seqpacket} | options()]),
  First = connected(Socket, Address, Port),
  Second = begun(Socket, Address, Other),
  told(Socket, First, length(Addresses)),
  exchange(Socket, First, <<"passive">>),
  changed(Socket, First),
  inet:setopts(Socket, [{active, true}]),
  active(Socket, Second),
  ends(Socket, First, Second),
  peels(Socket, Address, Port),
  one_to_one(Address, Port).

options() ->
  [{active, false}, {recbuf, 65536}, {sndbuf, 65536},
   {sctp_initmsg, #sctp_initmsg{num_ostreams = 4, max_instreams = 9}},
   {sctp_events, #sctp_event_subscribe{data_io_event = true, association_event = true,
                                       address_event = false, shutdown_event = true}}].

% Waits until it is up.
connected(Socket, Address, Port) ->
  {ok, #sctp_assoc_change{state = comm_up, outbound_streams = Out, inbound_streams = In} = Up} =
    gen_sctp:connect(Socket, Address, Port, []),
  io:format("connected: ~b streams out, ~b in~n", [Out, In]),
  Up.

% Does not.
begun(Socket, Address, Port) ->
  ok = gen_sctp:connect_init(Socket, Address, Port, []),
  {ok, {Address, Port, [], #sctp_assoc_change{state = comm_up} = Up}} =
    gen_sctp:recv(Socket, 10000),
  io:format("connect_init: comm_up~n"),
  Up.

told(Socket, #sctp_assoc_change{assoc_id = Id}, Addresses) ->
  {ok, [{sctp_status, Status}]} = inet:getopts(Socket, [{sctp_status, #sctp_status{assoc_id = Id}}]),
  #sctp_status{state = State, instrms = In, outstrms = Out, primary = Primary} = Status,
  io:format("sctp_status: ~p, ~b in, ~b out~n", [State, In, Out]),
  #sctp_paddrinfo{state = active, address = To, mtu = Mtu} = Primary,
  {ok, [{sctp_get_peer_addr_info, Path}]} =
    inet:getopts(Socket, [{sctp_get_peer_addr_info,
                           #sctp_paddrinfo{assoc_id = Id, address = To}}]),
  #sctp_paddrinfo{state = active, address = To, mtu = Mtu} = Path,
  {ok, Peers} = inet:peernames(Socket, Id),
  io:format("peers: ~b~n", [length(Peers)]),
  Addresses = length(Peers),
  {ok, [{sctp_initmsg, #sctp_initmsg{num_ostreams = 4, max_instreams = 9}}]} =
    inet:getopts(Socket, [sctp_initmsg]).

% With all that goes beside a message.
exchange(Socket, #sctp_assoc_change{assoc_id = Id}, Data) ->
  ok = gen_sctp:send(Socket, #sctp_sndrcvinfo{assoc_id = Id, stream = 3, ppid = 46, context = 9,
                                              flags = [unordered]}, Data),
  {ok, {_, _, [#sctp_sndrcvinfo{assoc_id = Id, stream = 3, ppid = 46, flags = Flags}], Data}} =
    gen_sctp:recv(Socket, 10000),
  io:format("recv: ~s, ~p~n", [Data, Flags]).

% One association's alone.
changed(Socket, #sctp_assoc_change{assoc_id = Id}) ->
  ok = inet:setopts(Socket, [{sctp_rtoinfo, #sctp_rtoinfo{assoc_id = Id, initial = 700, min = 300,
                                                          max = 9000}}]),
  {ok, [{sctp_rtoinfo, #sctp_rtoinfo{initial = 700, min = 300, max = 9000}}]} =
    inet:getopts(Socket, [{sctp_rtoinfo, #sctp_rtoinfo{assoc_id = Id}}]),
  {ok, [{sctp_rtoinfo, #sctp_rtoinfo{min = 1000}}]} =
    inet:getopts(Socket, [{sctp_rtoinfo, #sctp_rtoinfo{}}]),
  io:format("sctp_rtoinfo: changed~n").

active(Socket, #sctp_assoc_change{assoc_id = Id} = Association) ->
  ok = gen_sctp:send(Socket, Association, 1, <<"active">>),
  receive
    {sctp, Socket, _, _, {[#sctp_sndrcvinfo{assoc_id = Id, stream = 1}], Data}} ->
      io:format("active: ~s~n", [Data])
  after 10000 -> exit(no_answer)
  end.

ends(Socket, First, Second) ->
  ok = gen_sctp:eof(Socket, First),
  io:format("eof: ~p~n", [end_of(Socket, First)]),
  ok = gen_sctp:abort(Socket, Second),
  io:format("abort: ~p~n", [end_of(Socket, Second)]).

end_of(Socket, #sctp_assoc_change{assoc_id = Id}) ->
  receive
    {sctp, Socket, _, _, {_, #sctp_assoc_change{assoc_id = Id, state = State}}} -> State
  after 10000 -> exit(no_end)
  end.

% Both ends, each for itself.
peels(Socket, Address, Port) ->
  ok = inet:setopts(Socket, [{active, false}]),
  #sctp_assoc_change{assoc_id = Id} = Association = connected(Socket, Address, Port),
  ok = gen_sctp:send(Socket, Association, 0, <<"peel off">>),
  {ok, {Address, Port, [#sctp_sndrcvinfo{assoc_id = Id, stream = 1}], <<"peeled off">>}} =
    gen_sctp:recv(Socket, 10000),
  {ok, Own} = gen_sctp:peeloff(Socket, Association),
  ok = gen_sctp:send(Own, Id, 2, <<"from a one-to-one socket">>),
  {ok, {_, _, [#sctp_sndrcvinfo{}], <<"peeled off">>}} = gen_sctp:recv(Own, 10000),
  ok = gen_sctp:close(Own),
  ok = gen_sctp:close(Socket),
  io:format("peeled off~n").

one_to_one(Address, Port) ->
  {ok, Socket} = gen_sctp:open([binary, {type, stream} | options()]),
  Up = connected(Socket, Address, Port),
  exchange(Socket, Up, <<"stream">>),
  ok = gen_sctp:close(Socket),
  io:format("closed~n").
