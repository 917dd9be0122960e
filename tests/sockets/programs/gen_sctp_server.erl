% SPDX-License-Identifier: BSD-3-Clause
% A server on Erlang's gen_sctp: gen_sctp_server PORT OTHER_PORT ADDRESS...
% One-to-many sockets on the two ports. The first is read in active mode and answers each message on
% its stream; whose peer asks for it gets an association of its own, peeled off for a process of its
% own. The second is passive.
-module(gen_sctp_server).
-export([main/1]).
-include_lib("kernel/include/inet_sctp.hrl").

main([Port, OtherPort | Addresses]) ->
  First = listen(Port, Addresses, [{active, once}]),
  Second = listen(OtherPort, Addresses, [{active, false}]),
  Passive = spawn_link(fun() -> receive go -> passive(Second) end end),
  ok = gen_sctp:controlling_process(Second, Passive),
  Passive ! go,
  io:format("Listening on port ~s~n", [Port]),
  active(First).

listen(Port, Addresses, Options) ->
  Own = [{ip, parsed(Address)} || Address <- Addresses],
  {ok, Socket} = gen_sctp:open(
    list_to_integer(Port),
    Own ++ Options ++
      [binary, {reuseaddr, true}, {sctp_nodelay, true},
       {sctp_initmsg, #sctp_initmsg{num_ostreams = 7, max_instreams = 5}},
       {sctp_events, #sctp_event_subscribe{data_io_event = true, association_event = true,
                                           address_event = false, shutdown_event = true}}]),
  ok = gen_sctp:listen(Socket, true),
  Socket.

parsed(Address) ->
  {ok, Parsed} = inet:parse_address(Address),
  Parsed.

active(Socket) ->
  receive
    {sctp, Socket, _, _, {[#sctp_sndrcvinfo{} = Info], Data}} when is_binary(Data) ->
      told("active", Info, Data),
      answer(Socket, Info, Data);
    {sctp, Socket, _, _, {_, Event}} ->
      event("active", Event)
  end,
  ok = inet:setopts(Socket, [{active, once}]),
  active(Socket).

answer(Socket, #sctp_sndrcvinfo{assoc_id = Id}, <<"peel off">>) ->
  {ok, Own} = gen_sctp:peeloff(Socket, Id),
  Owner = spawn_link(fun() -> receive go -> peeled_off(Own, Id) end end),
  ok = gen_sctp:controlling_process(Own, Owner),
  Owner ! go;
answer(Socket, #sctp_sndrcvinfo{assoc_id = Id, stream = Stream, ppid = Ppid, flags = Flags}, Data) ->
  ok = gen_sctp:send(Socket, #sctp_sndrcvinfo{assoc_id = Id, stream = Stream, ppid = Ppid,
                                              flags = Flags}, Data).

% Passive, as a one-to-one socket. Each message is answered alike.
peeled_off(Socket, Id) ->
  ok = inet:setopts(Socket, [{active, false}]),
  ok = gen_sctp:send(Socket, Id, 1, <<"peeled off">>),
  own(Socket, Id).

own(Socket, Id) ->
  case gen_sctp:recv(Socket) of
    {ok, {_, _, [#sctp_sndrcvinfo{} = Info], Data}} when is_binary(Data) ->
      told("peeled off", Info, Data),
      ok = gen_sctp:send(Socket, Id, 1, <<"peeled off">>),
      own(Socket, Id);
    {ok, {_, _, _, #sctp_assoc_change{state = shutdown_comp} = Event}} ->
      event("peeled off", Event),
      gen_sctp:close(Socket);
    {ok, {_, _, _, Event}} ->
      event("peeled off", Event),
      own(Socket, Id)
  end.

passive(Socket) ->
  case gen_sctp:recv(Socket) of
    {ok, {_, _, [#sctp_sndrcvinfo{assoc_id = Id, stream = Stream} = Info], Data}}
        when is_binary(Data) ->
      told("passive", Info, Data),
      ok = gen_sctp:send(Socket, Id, Stream, Data);
    {ok, {_, _, _, Event}} ->
      event("passive", Event)
  end,
  passive(Socket).

told(Who, #sctp_sndrcvinfo{stream = Stream, ppid = Ppid}, Data) ->
  io:format("~s: ~s on stream ~b ppid ~b~n", [Who, Data, Stream, Ppid]).

event(Who, #sctp_assoc_change{state = comm_up, outbound_streams = Out, inbound_streams = In}) ->
  io:format("~s: comm_up ~b ~b~n", [Who, Out, In]);
event(Who, #sctp_assoc_change{state = State}) ->
  io:format("~s: ~s~n", [Who, State]);
event(Who, Event) ->
  io:format("~s: ~s~n", [Who, element(1, Event)]).
