-- SPDX-License-Identifier: BSD-3-Clause
-- Pktgen-DPDK: replay the capture of port 0 at growing parts of the line, ten seconds each, and say
-- what went out and came back. Start it with: pktgen ... -s 0:init-flood.pcap -f ramp.lua
package.path = package.path .. ";?.lua;test/?.lua;app/?.lua"
require "Pktgen"

local port = "0"
local rates = { 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100 } -- per cent of the line

pktgen.stop(port)
pktgen.set(port, "count", 0)
pktgen.pcap(port, "on")
for _, rate in ipairs(rates) do
  pktgen.clr()
  pktgen.set(port, "rate", rate)
  pktgen.start(port)
  pktgen.delay(10000)
  pktgen.stop(port)
  pktgen.delay(500)
  local seen = pktgen.portStats(port, "port")[tonumber(port)]
  printf("%6.1f %%: out %d, back %d\n", rate, seen.opackets, seen.ipackets)
end
