%% Reads scenarios from the standard input, one Erlang term a line, plays each in a world of its own with a real
%% OTP supervisor, and prints what was seen. Many are played at the same time; one line of the answer is
%%
%%   NUMBER LAG STEP;STEP;…     a step is LINE|LINE|…; LAG is how many milliseconds were lost to a slow machine
%%
%% The virtual machine has one scheduler, and everything that belongs to a world runs at high priority. The player
%% of a world runs at normal priority, so it runs only when nothing in any world can move by itself. That is how it
%% knows, without sleeping, that a step is over.
-module(oracle).
-export([main/1]).

%% A world that is not over by then has a supervisor that never comes to rest.
-define(LIMIT_MS, 60000).

main([Places]) ->
    process_flag(trap_exit, true),
    oracle_report:install(),
    load_everything(),
    read(list_to_integer(Places), 0),
    halt(0).

%% Code is loaded before the first world begins: a supervisor that waits for the code server looks at rest.
load_everything() ->
    Modules = lists:append([Known || App <- [kernel, stdlib], {ok, Known} <- [application:get_key(App, modules)]]),
    code:ensure_modules_loaded([oracle_world, oracle_child, oracle_sup, oracle_report | Modules]).

read(Places, Places) ->
    await_one(),
    read(Places, Places - 1);
read(Places, Playing) ->
    case io:get_line("") of
        Line when is_list(Line) ->
            %% It only waits, and must come to its turn when a world never comes to rest.
            spawn_opt(fun() -> play(Line) end, [link, {priority, max}]),
            read(Places, Playing + 1);
        _ ->
            [await_one() || _ <- lists:seq(1, Playing)]
    end.

await_one() ->
    receive {'EXIT', _, _} -> ok end.

play(Line) ->
    {ok, Tokens, _} = erl_scan:string(Line),
    {ok, {Number, Tree, Steps}} = erl_parse:parse_term(Tokens),
    {Player, Monitor} = spawn_opt(
        fun() -> exit({played, oracle_world:play(Tree, Steps)}) end, [monitor, {priority, normal}]),
    Answer =
        receive
            {'DOWN', Monitor, process, _, {played, {Lag, Seen}}} -> text(Number, Lag, Seen);
            {'DOWN', Monitor, process, _, Reason} -> broken(Number, Reason)
        after ?LIMIT_MS ->
            %% Its world dies with it, and so does whatever talks to that.
            exit(Player, kill),
            broken(Number, no_rest)
        end,
    io:put_chars(Answer).

text(Number, Lag, Seen) ->
    try
        Steps = lists:join(";", [lists:join("|", Lines) || Lines <- Seen]),
        iolist_to_binary([io_lib:format("~w ~w ", [Number, Lag]), Steps, "\n"])
    catch
        error:_ -> broken(Number, {unreadable, Seen})
    end.

broken(Number, Reason) ->
    Words = [case lists:member(Char, ";|\n") of true -> $,; false -> Char end
             || Char <- lists:flatten(io_lib:format("~0p", [Reason]))],
    io_lib:format("~w 0 broken ~ts~n", [Number, Words]).
