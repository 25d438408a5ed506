%% A child that does what its scenario says, when it starts and when it is asked to stop.
-module(oracle_child).
-export([start_link/4, init/4]).

start_link(World, Path, Starts, Stops) ->
    case oracle_world:tell(World, {starting, Path, Starts}) of
        ok -> proc_lib:start_link(?MODULE, init, [World, Path, Stops, self()], infinity, [{priority, high}]);
        ignore -> ignore;
        fail -> {error, failed};
        crash -> exit(crashed);
        throw -> throw(thrown);
        nonsense -> nonsense
    end.

init(World, Path, Stops, Parent) ->
    process_flag(trap_exit, true),
    oracle_world:tell(World, {here, child, Path, self()}),
    proc_lib:init_ack(Parent, {ok, self()}),
    loop(World, Path, Stops, Parent).

loop(World, Path, Stops, Parent) ->
    receive
        {'end', Reason} ->
            exit(Reason);
        %% Its supervisor was killed. A child that does not handle this dies with it (R63).
        {'EXIT', Parent, killed} ->
            exit(killed);
        {'EXIT', Parent, Reason} ->
            oracle_world:tell(World, {asked, Path}),
            case Stops of
                obey -> exit(Reason);
                ignore -> loop(World, Path, Stops, Parent);
                Other -> exit(Other)
            end;
        {'EXIT', _, _} ->
            loop(World, Path, Stops, Parent)
    end.
