%% What supervisors report to the log, and OTP's reasons in the words of a scenario.
-module(oracle_report).
-export([install/0, log/2, refusal/1, not_started/1, reason/1]).

%% Reports are taken where they are made, in the supervisor itself, so they have their place in the trace.
install() ->
    [logger:remove_handler(Id) || Id <- logger:get_handler_ids()],
    ok = logger:add_handler(oracle, ?MODULE, #{level => all}).

log(#{msg := {report, #{label := {supervisor, Kind}, report := Report}}}, _) ->
    case get(oracle_world) of
        {World, Path} -> report(World, Path, Kind, Report);
        undefined -> ok
    end;
log(_, _) ->
    ok.

report(World, Path, shutdown_error, Report) ->
    %% The errors of a simple_one_for_one supervisor are added up, and name no child.
    case get(oracle_dynamic) of
        true -> oracle_world:tell(World, {once, ["errors ", root(Path)]});
        false -> oracle_world:tell(World, {line, ["report ", offender(World, Path, Report)]})
    end;
report(World, Path, child_terminated, Report) ->
    oracle_world:tell(World, {line, ["report ", offender(World, Path, Report)]});
report(World, Path, shutdown, Report) ->
    reached_max_restart_intensity = proplists:get_value(reason, Report),
    oracle_world:tell(World, {line, ["limit ", offender(World, Path, Report)]});
report(_, _, _, _) ->
    ok.

root(<<>>) -> <<"root">>;
root(Path) -> Path.

offender(World, Path, Report) ->
    Offender = proplists:get_value(offender, Report),
    case proplists:get_value(id, Offender) of
        each ->
            case proplists:get_value(pid, Offender) of
                {restarting, Pid} -> oracle_world:tell(World, {path, Pid});
                Pid -> oracle_world:tell(World, {path, Pid})
            end;
        Id when Path == <<>> -> Id;
        Id -> [Path, "/", Id]
    end.

%% Why a spec was refused; "?" when the reason is no refusal.
refusal({supervisor_data, Reason}) -> refusal(Reason);
refusal({start_spec, Reason}) -> refusal(Reason);
refusal({error, Reason}) -> refusal(Reason);
refusal({duplicate_child_name, Name}) -> ["duplicate ", Name];
refusal({bad_combination, [{auto_shutdown, _}, {significant, _}]}) -> "significant";
refusal({bad_combination, [{restart, _}, {significant, _}]}) -> "significant";
refusal({bad_combination, _}) -> "auto_shutdown";
refusal({invalid_significant, _}) -> "significant";
refusal({invalid_period, _}) -> "period";
refusal({invalid_auto_shutdown, _}) -> "auto_shutdown";
refusal({bad_start_spec, _}) -> "template";
refusal({bad_flags, Reason}) -> refusal(Reason);
refusal(_) -> "?".

%% Why the root did not start, naming the child whose start failed first.
not_started({shutdown, {failed_to_start_child, Name, Reason}}) ->
    ["end start failed ", first_failed(Name, Reason)];
not_started(Reason) ->
    case refusal(Reason) of
        "?" -> io_lib:format("end unreadable ~0p", [Reason]);
        Word -> ["refused ", Word]
    end.

first_failed(Name, {shutdown, {failed_to_start_child, Below, Reason}}) ->
    [Name, "/", first_failed(Below, Reason)];
first_failed(Name, _) ->
    Name.

reason(Word) when is_atom(Word) -> atom_to_list(Word);
reason({shutdown, Word}) when is_atom(Word) -> ["shutdown:", atom_to_list(Word)];
reason(Reason) -> io_lib:format("unreadable ~0p", [Reason]).
