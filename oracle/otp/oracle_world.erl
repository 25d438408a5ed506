%% One scenario: the world keeps the trace, the player takes the steps.
%%
%% Everything that happens is told to the world by whoever does it, in calls that wait for the answer, so the lines
%% of the trace stand in the order in which things happened.
-module(oracle_world).
-export([play/2, tell/2]).

%% A single step may take a quarter of what a scenario may lose: the shortest grace is that short.
-define(STEP_SHARE, 4).

-record(world, {
    lines = [],            % the trace of this step, newest first
    replies = [],          % answers to calls in this step, newest first
    told = 0,              % grows whenever something happens
    starts = #{},          % path => how often its start function was called
    pids = #{},            % process => {kind, path}
    now = #{},             % path => the process that was there last
    lives = #{},           % path => how many processes were there
    life = #{},            % process => the which of them it is
    awaited = #{},         % process => the player, who ended it and waits for its end
    hung = #{},            % path => whose start function waits for the player
    next_tree              % what the root's callback returns from now on
}).

%% Tells the world something and waits for the answer.
tell(World, What) ->
    Tag = erlang:monitor(process, World),
    World ! {tell, self(), Tag, What},
    receive
        {Tag, Answer} -> erlang:demonitor(Tag, [flush]), Answer;
        {'DOWN', Tag, process, _, _} -> exit(normal)
    end.

%% ---- the player ----

%% What was seen, step by step, and how much time was lost where none should pass.
play(Tree, Steps) ->
    World = spawn_opt(fun() -> process_flag(trap_exit, true), loop(#world{}) end, [link, {priority, high}]),
    Owner = spawn_opt(fun() -> own(World, Tree) end, [{priority, high}]),
    tell(World, {here, owner, owner, Owner}),
    {Seen, {Lost, Longest}} = lists:mapfoldl(
        fun(Step, {Lost, Longest}) ->
            Begun = erlang:monotonic_time(millisecond),
            take(World, Step),
            rest(World),
            Seen = tell(World, look),
            Late = erlang:monotonic_time(millisecond) - Begun - lists:sum([Ms || {pass, Ms} <- Step]),
            {Seen, case Step of
                [{whole_second}] -> {Lost, Longest};
                _ -> {Lost + Late, max(Longest, Late)}
            end}
        end, {0, 0}, Steps),
    {max(Lost, ?STEP_SHARE * Longest), Seen}.

%% Several things that happen at once reach their supervisor in this order, before it handles the first.
take(World, [Action]) ->
    act(World, Action);
take(World, Actions) ->
    Sups = lists:usort([tell(World, {process, sup_of(Action)}) || Action <- Actions]),
    [erlang:suspend_process(Sup) || Sup <- Sups],
    [begin act(World, Action), rest(World) end || Action <- Actions],
    [erlang:resume_process(Sup) || Sup <- Sups].

sup_of({'end', Path, _}) -> parent(Path);
sup_of({shutdown}) -> <<>>;
sup_of(Call) -> element(2, Call).

parent(Path) ->
    case string:split(Path, "/", trailing) of
        [Sup, _] -> Sup;
        [_] -> <<>>
    end.

act(World, {launch}) ->
    tell(World, {process, owner}) ! launch;
act(World, {shutdown}) ->
    tell(World, {process, owner}) ! {stop, tell(World, {process, <<>>})};
act(World, {kill, Path}) ->
    finish(World, Path, fun(Pid) -> exit(Pid, kill) end);
act(World, {'end', Path, kill}) ->
    finish(World, Path, fun(Pid) -> exit(Pid, kill) end);
act(World, {'end', Path, Reason}) ->
    finish(World, Path, fun(Pid) -> Pid ! {'end', Reason} end);
act(World, {release, Path, What}) ->
    tell(World, {release, Path, What});
act(_World, {pass, Ms}) ->
    receive after Ms -> ok end;
act(_World, {whole_second}) ->
    %% supervisor counts in erlang:monotonic_time(1).
    Gone = (erlang:monotonic_time(1) + 1) * 1000 - erlang:monotonic_time(millisecond),
    receive after Gone + 5 -> ok end;
act(World, {stray, Sup}) ->
    Stranger = spawn(fun() -> ok end),
    Pid = tell(World, {process, Sup}),
    Pid ! {'EXIT', Stranger, boom},
    Pid ! {what, is, this};
act(World, {reload, Sup, Tree}) ->
    tell(World, {next_tree, Tree}),
    Pid = tell(World, {process, Sup}),
    call(World, fun() ->
        sys:suspend(Pid),
        Answer = sys:change_code(Pid, oracle_sup, undefined, []),
        sys:resume(Pid),
        case Answer of
            ok -> "ok";
            {error, Reason} -> ["error refused ", oracle_report:refusal(Reason)]
        end
    end);
act(World, Call) ->
    Pid = tell(World, {process, element(2, Call)}),
    call(World, fun() -> ask(World, Pid, Call) end).

finish(World, Path, End) ->
    Pid = tell(World, {process, Path}),
    tell(World, {ends, Pid}),
    End(Pid),
    tell(World, {await, Pid}).

%% A call is made by a process of its own, since its answer may be a long time coming.
call(World, Ask) ->
    Caller = spawn_opt(fun() ->
        Answer = try Ask() catch exit:{_, {gen_server, call, _}} -> "error gone"; exit:_ -> "error gone" end,
        tell(World, {reply, Answer})
    end, [{priority, high}]),
    tell(World, {here, caller, none, Caller}).

ask(_World, undefined, _) ->
    exit(noproc);
ask(World, Pid, {start_child, Sup, {Name, Starts, Stops}}) ->
    started(supervisor:start_child(Pid, [join(Sup, Name), Starts, Stops]), World);
ask(World, Pid, {start_child, Sup, Child}) ->
    started(supervisor:start_child(Pid, oracle_sup:spec(World, Sup, Child)), World);
ask(World, Pid, {restart_child, _, Name}) ->
    started(supervisor:restart_child(Pid, Name), World);
ask(_World, Pid, {terminate_child, _, Name}) ->
    done(supervisor:terminate_child(Pid, Name));
ask(World, Pid, {terminate_handle, Sup, Name}) ->
    done(supervisor:terminate_child(Pid, tell(World, {process, join(Sup, Name)})));
ask(_World, Pid, {delete_child, _, Name}) ->
    done(supervisor:delete_child(Pid, Name));
ask(_World, Pid, {get_childspec, _, Name}) ->
    case supervisor:get_childspec(Pid, Name) of
        {ok, #{restart := Restart, shutdown := Shutdown, type := Type, significant := Significant}} ->
            io_lib:format("~w shutdown=~w ~w significant=~w", [Restart, Shutdown, Type, Significant]);
        Error -> done(Error)
    end;
ask(World, Pid, {which_children, _}) ->
    Children = supervisor:which_children(Pid),
    Lines = [iolist_to_binary(child_line(World, Child)) || Child <- Children],
    %% OTP lists the newest first; a simple_one_for_one supervisor has no order.
    Ordered = case Children of
        [{undefined, _, _, _} | _] -> lists:sort(Lines);
        _ -> lists:reverse(Lines)
    end,
    lists:join(" ", ["children" | Ordered]);
ask(World, Pid, {lives, _}) ->
    Lines = [iolist_to_binary(tell(World, {life, Child})) || {_, Child, _, _} <- supervisor:which_children(Pid), is_pid(Child)],
    Ordered = case supervisor:which_children(Pid) of
        [{undefined, _, _, _} | _] -> lists:sort(Lines);
        _ -> lists:reverse(Lines)
    end,
    lists:join(" ", ["lives" | Ordered]);
ask(_World, Pid, {stop, _}) ->
    done(gen_server:stop(Pid, shutdown, infinity));
ask(_World, Pid, {count_children, _}) ->
    Counts = supervisor:count_children(Pid),
    io_lib:format("specs=~w active=~w supervisors=~w workers=~w",
        [proplists:get_value(Key, Counts) || Key <- [specs, active, supervisors, workers]]).

child_line(World, {Id, Child, Type, _}) ->
    State = case Child of
        undefined -> "none";
        restarting -> "restarting";
        _ -> "running"
    end,
    Name = case Id of
        undefined when Child == undefined; Child == restarting -> "-";
        undefined -> lists:last(string:split(tell(World, {path, Child}), "/", all));
        _ -> Id
    end,
    [Name, ":", atom_to_list(Type), ":", State].

started({ok, undefined}, _) -> "ok none";
started({ok, _}, _) -> "ok";
started({error, already_present}, _) -> "error already_present";
started({error, {already_started, _}}, _) -> "error already_started";
started({error, Word}, _) when Word == running; Word == restarting; Word == not_found -> ["error ", atom_to_list(Word)];
started({error, simple_one_for_one}, _) -> "error invalid";
started({error, Reason}, _) ->
    case oracle_report:refusal(Reason) of
        "?" -> "error start_failed";
        Word -> ["error refused ", Word]
    end.

done(ok) -> "ok";
done({error, simple_one_for_one}) -> "error invalid";
done({error, Word}) -> ["error ", atom_to_list(Word)].

join(<<>>, Name) -> Name;
join(Sup, Name) -> <<Sup/binary, "/", Name/binary>>.

%% Whoever owns the root supervisor: its parent process.
own(World, Tree) ->
    process_flag(trap_exit, true),
    receive launch -> ok end,
    case supervisor:start_link(oracle_sup, {World, <<>>, Tree}) of
        {ok, Root} -> tell(World, {line, "started"}), own_loop(World, Root);
        {error, Reason} -> tell(World, {line, oracle_report:not_started(Reason)})
    end.

own_loop(World, Root) ->
    receive
        {stop, Root} -> exit(Root, shutdown), own_loop(World, Root);
        {'EXIT', Root, Reason} -> tell(World, {line, ["end ", oracle_report:reason(Reason)]})
    end.

%% Nothing can move by itself when nothing was told while everybody else had a turn, several times over, and everybody
%% waits. Who is not on the scheduler may also be in a long garbage collection.
rest(World) ->
    rest(World, tell(World, count), 3).

rest(World, Told, 0) ->
    case lists:all(fun waits/1, tell(World, processes)) of
        true -> ok;
        false -> rest(World, Told, 3)
    end;
rest(World, Told, Times) ->
    erlang:yield(),
    case tell(World, count) of
        Told -> rest(World, Told, Times - 1);
        More -> rest(World, More, 3)
    end.

waits(Pid) ->
    case process_info(Pid, status) of
        undefined -> true;
        {status, Status} -> Status == waiting orelse Status == suspended
    end.

%% ---- the world ----

loop(World) ->
    receive
        {tell, From, Tag, What} ->
            case told(What, {From, Tag}, World) of
                {later, World1} -> loop(World1);
                {Answer, World1} -> From ! {Tag, Answer}, loop(World1)
            end;
        {'DOWN', _, process, Pid, Reason} ->
            loop(down(Pid, Reason, World));
        %% The player is over, or was ended because nothing came to rest.
        {'EXIT', _, _} ->
            kill_all(World)
    end.

%% Whoever is not dead then dies when it tells something.
kill_all(World) ->
    [exit(Pid, kill) || Pid <- maps:keys(World#world.pids)].

told(count, _, World) ->
    {World#world.told, World};
told(processes, _, World) ->
    {maps:keys(World#world.pids), World};
told(look, _, #world{lines = Lines, replies = Replies} = World) ->
    {lists:reverse(Lines) ++ lists:sort(Replies), World#world{lines = [], replies = []}};
told({process, Path}, _, World) ->
    {maps:get(Path, World#world.now, undefined), World};
told({path, Pid}, _, World) ->
    {_, Path} = maps:get(Pid, World#world.pids),
    {Path, World};
told({life, Pid}, _, World) ->
    {_, Path} = maps:get(Pid, World#world.pids),
    Name = lists:last(string:split(Path, "/", all)),
    {[Name, ":", integer_to_list(maps:get(Pid, World#world.life))], World};
told({ends, Pid}, _, World) ->
    {ok, World#world{awaited = (World#world.awaited)#{Pid => nobody}}};
told({await, Pid}, From, World) ->
    case is_process_alive(Pid) of
        true -> {later, World#world{awaited = (World#world.awaited)#{Pid => From}}};
        false -> {ok, World}
    end;
told({next_tree, Tree}, _, World) ->
    {ok, World#world{next_tree = Tree}};
told({tree, Tree}, _, #world{next_tree = undefined} = World) ->
    {Tree, World};
told({tree, _}, _, World) ->
    {World#world.next_tree, World};
told(What, From, World) ->
    happened(What, From, World#world{told = World#world.told + 1}).

happened({starting, <<>>, _}, _, World) ->
    {ok, World};
happened({starting, Path, Starts}, From, World) ->
    World1 = line(["start ", Path], World),
    Times = maps:get(Path, World1#world.starts, 0) + 1,
    World2 = World1#world{starts = (World1#world.starts)#{Path => Times}},
    case lists:nth(min(Times, length(Starts)), Starts) of
        hang -> {later, World2#world{hung = (World2#world.hung)#{Path => From}}};
        What -> {What, World2}
    end;
happened({release, Path, What}, _, World) ->
    {{From, Tag}, Hung} = maps:take(Path, World#world.hung),
    From ! {Tag, What},
    {ok, World#world{hung = Hung}};
happened({here, Kind, Path, Pid}, _, World) ->
    erlang:monitor(process, Pid),
    Life = maps:get(Path, World#world.lives, 0) + 1,
    {ok, World#world{
        pids = (World#world.pids)#{Pid => {Kind, Path}},
        now = (World#world.now)#{Path => Pid},
        lives = (World#world.lives)#{Path => Life},
        life = (World#world.life)#{Pid => Life}}};
happened({asked, Path}, _, World) ->
    {ok, line(["stop ", Path], World)};
happened({line, Text}, _, World) ->
    {ok, line(Text, World)};
happened({once, Text}, _, World) ->
    Flat = lists:flatten(Text),
    Known = lists:any(fun(Line) -> lists:flatten(Line) == Flat end, World#world.lines),
    {ok, case Known of true -> World; false -> line(Flat, World) end};
happened({reply, Text}, _, World) ->
    {ok, World#world{replies = [iolist_to_binary(["= ", Text]) | World#world.replies]}}.

down(Pid, Reason, #world{awaited = Awaited} = World) when is_map_key(Pid, Awaited) ->
    case maps:get(Pid, Awaited) of
        {From, Tag} -> From ! {Tag, ok};
        nobody -> ok
    end,
    _ = Reason,
    World#world{told = World#world.told + 1, awaited = maps:put(Pid, nobody, Awaited)};
down(Pid, Reason, World) ->
    World1 = World#world{told = World#world.told + 1},
    case maps:get(Pid, World1#world.pids) of
        {_, <<>>} -> World1;
        {Kind, Path} when Kind == child; Kind == sup -> line(gone(Path, Reason), World1);
        _ -> World1
    end.

gone(Path, killed) -> ["killed ", Path];
gone(Path, shutdown) -> ["down ", Path];
gone(Path, {shutdown, {failed_to_start_child, _, _}}) -> ["down ", Path];
gone(Path, Reason) ->
    case oracle_report:refusal(Reason) of
        "?" -> ["down ", Path, " ", oracle_report:reason(Reason)];
        Word -> ["down ", Path, " refused ", Word]
    end.

line(Text, World) ->
    World#world{lines = [Text | World#world.lines]}.
