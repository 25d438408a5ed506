%% A supervisor as its scenario describes it.
-module(oracle_sup).
-behaviour(supervisor).
-export([start_link/4, init/1, spec/3]).

start_link(World, Path, Starts, Tree) ->
    case oracle_world:tell(World, {starting, Path, Starts}) of
        ok -> supervisor:start_link(?MODULE, {World, Path, Tree});
        fail -> {error, failed};
        ignore -> ignore
    end.

%% Called when it starts, and again when its code is changed.
init({World, Path, Tree}) ->
    process_flag(priority, high),
    case get(oracle_world) of
        undefined -> put(oracle_world, {World, Path}), oracle_world:tell(World, {here, sup, Path, self()});
        _ -> ok
    end,
    Given = case Path of
        <<>> -> oracle_world:tell(World, {tree, Tree});
        _ -> Tree
    end,
    {Strategy, Intensity, Period, Auto, Children} = Given,
    Flags = said([{strategy, Strategy}, {intensity, Intensity}, {period, Period}, {auto_shutdown, Auto}]),
    put(oracle_dynamic, Strategy == simple_one_for_one),
    {ok, {Flags, [spec(World, Path, Child) || Child <- Children]}}.

%% The spec of a child. What the scenario does not say is left to OTP's defaults.
spec(World, Sup, {Name, Restart, Shutdown, Significant, Starts, Stops, Below}) ->
    Path = case Sup of
        _ when Name == each -> each;
        <<>> -> Name;
        _ -> <<Sup/binary, "/", Name/binary>>
    end,
    {Start, Type} = case {Below, Name} of
        {none, each} -> {{oracle_child, start_link, [World]}, worker};
        {none, _} -> {{oracle_child, start_link, [World, Path, Starts, Stops]}, worker};
        {Tree, _} -> {{?MODULE, start_link, [World, Path, Starts, Tree]}, supervisor}
    end,
    (said([{restart, Restart}, {shutdown, Shutdown}, {significant, Significant}]))#{
        id => Name, start => Start, type => Type}.

said(Pairs) ->
    maps:from_list([Pair || {_, Value} = Pair <- Pairs, Value =/= default]).
