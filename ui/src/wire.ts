// What a relay and a browser say to each other, made from the JSON Schema of the wire by `cargo xtask gen`.
// Do not edit it.

/** What a record of the audit tells. */
export type AuditEntry = ("intent" | "outcome" | "denial" | "denials");

/** A known word, or one of a later version; readers keep that as text. */
export type AuditEntryWord = (AuditEntry | (string & {}));

/** What somebody asked for, and how it went. */
export type AuditEvent = {
  /** The record's id. */
  readonly audit_id: string;
  /** The command. */
  readonly command: CommandWord;
  /** The command's id. */
  readonly command_id: string;
  /** Who it was, as proved. */
  readonly identity: string;
  /** When. */
  readonly occurred_at_unix_nanos: UnixNanos;
  /** Why, as they said. */
  readonly reason: string;
  /** How it went. */
  readonly result: AuditResultWord;
  /** Whom it was about: the path as text, or null for the tree. Others may write an object; it stays as it came. */
  readonly target: unknown;
  /** The target. */
  readonly target_id: string;
};

/** How the audit of a target is. */
export type AuditHealth = {
  /** Commands are carried out also when they cannot be recorded, because the configuration says so. False: they are refused then. */
  readonly fail_open: boolean;
  /** Outcomes and denials of this run of the target that were not recorded. Denials that come faster than they are recorded one by one are not among them: they are counted in a record. 0: none. */
  readonly lost: number;
  /** The directory. Null when the audit is off. Never empty. */
  readonly place: string | null;
  /** What is wrong and what helps. Null when nothing is. Never empty. */
  readonly problem: string | null;
  /** Whether a command would be refused now because it cannot be recorded. False: none is. */
  readonly refuses_commands: boolean;
  /** The last record on the disk. 0: there is none. */
  readonly sequence: number;
  /** Whether records reach the disk. */
  readonly state: AuditState;
  /** Outcomes that still wait for the disk. They are written when it is well again. 0: none. */
  readonly waiting_outcomes: number;
};

/** Rows of the audit, the newest first. */
export type AuditPage = {
  /** Whether there are older ones. */
  readonly more: boolean;
  /** The question. */
  readonly query_id: string;
  /** The rows. Something that was asked for has one: while it goes on that of its intent, then that of its outcome. */
  readonly records: readonly (AuditRow)[];
};

/** A browser asks for a page of the audit. It gets one `audit_page`, or one `error` with this `query_id` as its `command_id`. Only what is about targets that it may see is told. */
export type AuditQuery = {
  /** Only rows before the one with this `audit_id`: the last of the page before. Absent: from the newest on. */
  readonly before?: string | null;
  /** Only this command, such as `restart_child`. Absent: all. */
  readonly command?: string | null;
  /** Only what this identity asked for, letter by letter. Absent: everybody. */
  readonly identity?: string | null;
  /** At most so many rows, 1 to 200. */
  readonly limit: number;
  /** The browser's id of the question, 1 to 128 printable bytes. */
  readonly query_id: string;
  /** Only what went so. Absent: however it went. */
  readonly result?: (AuditResultWord | null);
  /** Only what was recorded then or later. Absent: from the beginning. */
  readonly since_unix_nanos?: (UnixNanos | null);
  /** Only what is about this target. Absent: every target that the browser may see. */
  readonly target_id?: string | null;
  /** Only rows in which this text stands, in any case: in who asked, the target, the child, the command, its id, the reason, or why it was refused. At most 256 bytes. Absent or empty: every row. */
  readonly text?: string | null;
  /** Only what was recorded before. Absent: until now. */
  readonly until_unix_nanos?: (UnixNanos | null);
};

/** How far something that was asked for is, in the audit. */
export type AuditResult = ("accepted" | "rejected" | "completed" | "failed" | "unknown");

/** A known word, or one of a later version; readers keep that as text. */
export type AuditResultWord = (AuditResult | (string & {}));

/** Something that was asked for, and how it went. */
export type AuditRow = {
  /** Names the row. A later one has a larger number. */
  readonly audit_id: string;
  /** The command, such as `restart_child`. */
  readonly command: string;
  /** The caller's id of the command; null when it is none. */
  readonly command_id: string | null;
  /** What it tells. */
  readonly entry: AuditEntryWord;
  /** Why it was refused or failed. Absent otherwise. */
  readonly error?: (WireError | null);
  /** Who asked, as proved. */
  readonly identity: string;
  /** When it was recorded. */
  readonly occurred_at_unix_nanos: UnixNanos;
  /** Why, as they said; null when they did not. */
  readonly reason: string | null;
  /** How it went; `accepted` goes on. */
  readonly result: AuditResultWord;
  /** As what; null when it had no role there. */
  readonly role: string | null;
  /** The path or id of the child; null for the tree. */
  readonly target: string | null;
  /** The target. */
  readonly target_id: string;
};

/** Whether what is asked of a target is recorded. */
export type AuditState = ("off" | "sound" | "broken");

/** A browser's command. */
export type BrowserCommand = {
  /** The command. */
  readonly command: Command;
  /** The browser's id of the command, 1 to 128 printable bytes. */
  readonly command_id: string;
  /** Whether a person has confirmed it. */
  readonly confirmed: boolean;
  /** The browser's id of what the command belongs to. Absent when there is none. */
  readonly correlation_id?: string | null;
  /** Why; not blank. */
  readonly reason: string;
  /** Whom it is about. */
  readonly target: BrowserTarget;
  /** The target. */
  readonly target_id: string;
};

/** How a browser's command went. */
export type BrowserCommandResult = {
  /** Whether it is done or goes on. */
  readonly accepted: boolean;
  /** The browser's id of the command. */
  readonly command_id: string;
  /** When it was over, as RFC 3339 text; null while it goes on. */
  readonly completed_at: string | null;
  /** The same time as Unix nanoseconds; null while it goes on. */
  readonly completed_at_unix_nanos: (UnixNanos | null);
  /** The browser's id of what the command belongs to; null when there is none. */
  readonly correlation_id: string | null;
  /** Why it was rejected or failed. Absent otherwise. */
  readonly error?: (WireError | null);
  /** Who asked, as proved. */
  readonly requested_by: string;
  /** What it changed. Absent when that is not told here. */
  readonly state_delta?: (StateDelta | null);
  /** How far it is. */
  readonly status: CommandStatusWord;
  /** The target. */
  readonly target_id: string;
};

/** Whom a browser's command is about. */
export type BrowserTarget = {
  /** As in [`CommandTarget`]. Absent when the command needs none. */
  readonly child_manifest?: unknown;
  /** As in [`CommandTarget`]. Absent when the command needs none. */
  readonly child_path?: string | null;
};

/** How much of a budget of restarts is used. */
export type BudgetUse = {
  /** When none of these counts any more, in Unix nanoseconds, unless another comes. Absent when none is used. Never 0. */
  readonly clear_at_unix_nanos?: number | null;
  /** How many may count at a time. 0: none is allowed. */
  readonly max: number;
  /** Restarts that count now. 0: none. */
  readonly used: number;
  /** For how long a restart counts, in nanoseconds. Never 0. */
  readonly window_nanos: number;
};

/** The hello of a browser. */
export type ClientHello = {
  /** The browser's id of what it keeps. */
  readonly client_store_id: string;
  /** Where it wants to go on. */
  readonly resume_cursor: ResumeCursor;
};

/** What a browser says. It has exactly its keys: another one is `unsupported_field`. */
export type ClientMessage = (ClientHello & {
  readonly type: "client_hello";
} | BrowserCommand & {
  readonly type: "command";
} | FilterConditions & {
  readonly type: "log_event_filter_conditions";
} | AuditQuery & {
  readonly type: "audit_query";
} | WhyQuery & {
  readonly type: "why_query";
});

/** A command, by the word that stands in `params.command` and after `command.` in the method. */
export type Command = ("restart_child" | "pause_child" | "resume_child" | "quarantine_child" | "remove_child" | "add_child" | "shutdown_tree" | "apply" | "reload" | "signal_child");

/** How far a command is. */
export type CommandStatus = ("completed" | "accepted" | "rejected" | "failed");

/** A known word, or one of a later version; readers keep that as text. */
export type CommandStatusWord = (CommandStatus | (string & {}));

/** A known word, or one of a later version; readers keep that as text. */
export type CommandWord = (Command | (string & {}));

/** How the connection between relay and target is. */
export type ConnectionState = ("registered" | "connecting" | "connected" | "reconnecting" | "unavailable" | "expired");

/** A known word, or one of a later version; readers keep that as text. */
export type ConnectionStateWord = (ConnectionState | (string & {}));

/** A place in the stream of one target. */
export type Cursor = {
  /** How the stream was delivered. Sequences count alike in every mode, so nothing depends on it. */
  readonly delivery_mode: string;
  /** Which filter it went through. A filter leaves sequences as they are, so nothing depends on it. */
  readonly filter_config_version: Token;
  /** The last sequence that was received. */
  readonly sequence: number;
  /** Which stream: the `stream_epoch` of a target's `state`. One that no target has is passed by. */
  readonly stream_epoch: Token;
};

/** Everything that is shown of a target at one moment. */
export type DashboardState = {
  /** Which spec the tree has: the first 16 hexadecimal digits of its SHA-256. Empty when the target does not say. */
  readonly config_version: string;
  /** Events that the target no longer keeps for want of room. 0: none. */
  readonly dropped_event_count: number;
  /** Lines of logs that the target no longer keeps for want of room. 0: none. */
  readonly dropped_log_count: number;
  /** When this was read. */
  readonly generated_at_unix_nanos: UnixNanos;
  /** What the target says of itself, its registration and its audit included, when this was read; deltas do not change it. Absent when the target does not say. */
  readonly health?: (RuntimeHealthReport | null);
  /** The last row's path, when more rows follow: `params.after` of the next page. Absent on the last page. */
  readonly next_after?: (SupervisorPath | null);
  /** The newest events, at most 128, oldest first. Empty: nothing has happened yet. */
  readonly recent_events: readonly (EventRecord)[];
  /** The newest lines of the logs, at most 128, oldest first. Empty: nothing was logged yet. */
  readonly recent_logs: readonly (LogRecord)[];
  /** How each is. One row for each node, unless the state was asked for in pages. Empty: a page after the last row. */
  readonly runtime_state: readonly (RuntimeRow)[];
  /** Grows with every change and never without one. 0: nothing has happened yet. */
  readonly state_generation: number;
  /** Who it is. */
  readonly target: TargetInfo;
  /** Who is in the tree and who belongs to whom. */
  readonly topology: Topology;
};

/** A relation between two nodes. */
export type Edge = {
  /** `parent:A->B` or `dependency:A->B`, with the paths of source and target. Never empty. */
  readonly edge_id: string;
  /** What it means. */
  readonly kind: EdgeKindWord;
  /** The place among the edges of this kind with the same source. 0: the first. */
  readonly order: number;
  /** The supervisor, or the one that needs the other. */
  readonly source_path: SupervisorPath;
  /** The child, or the one that is needed. */
  readonly target_path: SupervisorPath;
};

/** What an edge means. */
export type EdgeKind = ("parent_child" | "dependency");

/** A known word, or one of a later version; readers keep that as text. */
export type EdgeKindWord = (EdgeKind | (string & {}));

/** What went wrong, as a word for programs. */
export type ErrorCode = ("invalid_json" | "unsupported_method" | "invalid_command_params" | "validation_failed" | "ipc_path_metadata_failed" | "ipc_stale_remove_failed" | "ipc_bind_failed" | "ipc_set_permissions_failed" | "ipc_symlink_rejected" | "ipc_socket_owner_mismatch" | "frame_too_large" | "invalid_utf8" | "incomplete_frame" | "ipc_read_failed" | "ipc_write_failed" | "session_required" | "command_failed" | "command_timeout" | "target_unavailable" | "peer_cred_uid_mismatch" | "peer_cred_gid_not_allowed" | "peer_cred_pid_not_allowed" | "peer_cred_unavailable" | "authz_denied" | "replay_detected" | "request_too_large" | "rate_limit_exceeded" | "audit_write_failed" | "command_id_conflict" | "empty_target_id" | "relative_ipc_path" | "ipc_path_not_allowed" | "invalid_lease_seconds" | "unsupported_command_schema" | "invalid_ipc_path" | "target_id_owner_mismatch" | "ipc_path_conflict" | "invalid_message_json" | "unsupported_message_type" | "unsupported_field" | "invalid_message_schema" | "protocol_error" | "target_not_bound" | "session_not_established" | "target_not_registered" | "unsupported_command" | "requested_by_override" | "empty_reason" | "confirmation_required");

/** A known word, or one of a later version; readers keep that as text. */
export type ErrorCodeWord = (ErrorCode | (string & {}));

/** What happened. The catalogue ([`EventKind::spec`]) gives severity, payload keys and meaning. */
export type EventKind = ("ChildDeclarationAccepted" | "ChildDeclarationRejected" | "ChildUnbound" | "ChildWaiting" | "ChildStarting" | "ChildRunning" | "ChildReady" | "ChildRestarting" | "ChildRestarted" | "ChildDeclined" | "ChildCompleted" | "ChildFailed" | "ChildPanicked" | "ChildStartFailed" | "BackoffScheduled" | "ChildHeartbeatMissed" | "ChildHealthy" | "ChildUnhealthy" | "ChildStopping" | "ChildKilling" | "ChildUnresponsive" | "ChildStopped" | "ChildStopError" | "Paused" | "Resumed" | "ChildQuarantined" | "BudgetExhausted" | "BudgetUnreachable" | "Escalated" | "SupervisorEnding" | "ShutdownRequested" | "ShutdownPhaseChanged" | "ShutdownCompleted" | "CommandAccepted" | "CommandCompleted" | "SubscriberLagged" | "ChildControlOperationChanged" | "ChildRuntimeStateRemoved" | "LimitUnenforced" | "ChildSignalled" | "TargetRegistered" | "TargetUnregistered" | "SpecApplied");

/** A known word, or one of a later version; readers keep that as text. */
export type EventKindWord = (EventKind | (string & {}));

/** An event of a target. */
export type EventRecord = {
  /** The last segment of the path. Null for the root. Never empty. */
  readonly child_id: string | null;
  /** Which spec the target had. Empty when the target does not say. */
  readonly config_version: string;
  /** The id of the command behind it. Null when there is none. Never empty. */
  readonly correlation_id: string | null;
  /** What happened. */
  readonly event_type: EventKindWord;
  /** When. */
  readonly occurred_at_unix_nanos: UnixNanos;
  /** The row after it, why, and what is next; the page of events has the keys. Always an object. Empty only from a target of another kind. */
  readonly payload: Readonly<Record<string, unknown>>;
  /** The place in the target's order of events, which has no holes. Never 0: the first event of a target is 1. */
  readonly sequence: number;
  /** How much it matters. */
  readonly severity: SeverityWord;
  /** The target. Never empty. */
  readonly target_id: string;
  /** To whom. */
  readonly target_path: SupervisorPath;
};

/** How one run of a child ended. `Completed`, `Stopped` and `StoppedWith` are the clean class (OTP: `normal`, `shutdown`, `{shutdown, _}`); everything else is abnormal (R16). Declining to start is not an exit. */
export type Exit = ({
  readonly kind: "completed";
} | {
  readonly kind: "stopped";
} | {
  readonly kind: "stopped_with";
  /** What the run said. Empty: an empty text. */
  readonly value: string;
} | {
  /** The error's text. Empty: the error has no text. */
  readonly error: string;
  readonly kind: "failed";
} | {
  readonly kind: "panicked";
  /** `file:line:column`, when the panic hook saw it (D14). Null when it did not. Never empty. */
  readonly location: string | null;
  /** The panic's message. Empty: it has none. */
  readonly message: string;
} | {
  readonly kind: "timed_out";
  /** What it was waited for. Never empty. */
  readonly what: string;
} | {
  readonly kind: "unhealthy";
  /** What failed. Never empty. */
  readonly why: string;
} | {
  /** Whether the supervisor sent it, when a grace ended. False: somebody else did. */
  readonly by_us: boolean;
  readonly kind: "killed";
  /** The signal's number. Never 0. */
  readonly signal: number;
} | {
  readonly kind: "aborted";
});

/** Conditions on events and lines of logs. All that are said must hold; an empty list says nothing. A record that has no value where a condition asks for one is not wanted, but for `lifecycle_states` and `event_types`, which concern events only. */
export type FilterConditions = {
  /** About these children. */
  readonly child_paths: readonly (SupervisorPath)[];
  /** Caused by the command with this id. Absent: whatever caused it. */
  readonly correlation_id?: string | null;
  /** Events of these kinds. */
  readonly event_types: readonly (EventKindWord)[];
  /** Events after which the child is in one of these states. */
  readonly lifecycle_states: readonly (LifecycleWord)[];
  /** From this sequence on. Absent: from the first. */
  readonly sequence_min?: number | null;
  /** Of these severities. */
  readonly severities: readonly (SeverityWord)[];
  /** Of these targets. */
  readonly target_ids: readonly (string)[];
};

/** What probes and heartbeats say of a running child; of a supervisor, what its children add up to. */
export type Health = ("unknown" | "healthy" | "stale" | "unhealthy" | "degraded");

/** A known word, or one of a later version; readers keep that as text. */
export type HealthWord = (Health | (string & {}));

/** What runs. */
export type Kind = ("async_worker" | "blocking_worker" | "supervisor" | "process");

/** A known word, or one of a later version; readers keep that as text. */
export type KindWord = (Kind | (string & {}));

/** The state of a child. One word, the same everywhere. */
export type Lifecycle = ("declared" | "waiting" | "starting" | "running" | "backoff" | "stopping" | "stopped" | "completed" | "failed" | "paused" | "quarantined" | "unresponsive" | "removed");

/** A known word, or one of a later version; readers keep that as text. */
export type LifecycleWord = (Lifecycle | (string & {}));

/** A target in the list. */
export type ListedTarget = {
  /** How the connection to it is. */
  readonly connection_state: ConnectionStateWord;
  /** What people call it. */
  readonly display_name: string;
  /** How it stands with the relay. */
  readonly registration_state: RegistrationStateWord;
  /** What this browser may do with it: `viewer`, `operator`, `admin`. Absent when the relay does not say. */
  readonly role?: string | null;
  /** The commands it takes. */
  readonly supported_commands: readonly (SupportedCommand)[];
  /** Its id. */
  readonly target_id: string;
};

/** A line that a child logged. */
export type LogRecord = {
  /** The child that logged it. Absent when the target does not say. */
  readonly child_path?: (SupervisorPath | null);
  /** The id of the command behind it. Null when there is none. Never empty. */
  readonly correlation_id: string | null;
  /** Names and values. Always an object. Empty: there are none. */
  readonly fields: Readonly<Record<string, string>>;
  /** The run that logged it. Absent when the target does not say. Never 0: the first run of a child is 1. */
  readonly generation?: number | null;
  /** The text. Empty: an empty line. */
  readonly message: string;
  /** When. */
  readonly occurred_at_unix_nanos: UnixNanos;
  /** The place in the target's order of lines. Null when the target does not count them. Never 0: the first line of a target is 1. */
  readonly sequence: number | null;
  /** How much it matters. */
  readonly severity: SeverityWord;
  /** The target. Never empty. */
  readonly target_id: string;
};

/** The root or a child, as far as it does not change while it runs; but for `state_summary`. */
export type Node = {
  /** The last segment of the path. Null for the root. Never empty. */
  readonly child_id: string | null;
  /** How much the whole suffers when it does. */
  readonly criticality: NodeCriticalityWord;
  /** What stands in its way or is doubtful, as sentences by name. Empty: nothing. */
  readonly diagnostics: Readonly<Record<string, string>>;
  /** Whether it is a supervisor whose children are added while it runs. Absent for other children, and when the target does not say. False: its children are those of its spec. */
  readonly dynamic?: boolean | null;
  /** Whether it is the root. */
  readonly kind: NodeKindWord;
  /** What people call it. Never empty. */
  readonly name: string;
  /** Its id in this topology; this project writes the path. Never empty. */
  readonly node_id: string;
  /** What runs. Absent when the target does not say. */
  readonly node_type?: (KindWord | null);
  /** Its path. */
  readonly path: SupervisorPath;
  /** The state of its row. */
  readonly state_summary: LifecycleWord;
  /** Of a supervisor, whom a failed child takes with it. Absent for others, and when the target does not say. */
  readonly strategy?: (StrategyWord | null);
  /** Its labels. Empty: none. */
  readonly tags: readonly (string)[];
};

/** How much the whole suffers when a node does, in the wire's words. */
export type NodeCriticality = ("critical" | "standard" | "best_effort");

/** A known word, or one of a later version; readers keep that as text. */
export type NodeCriticalityWord = (NodeCriticality | (string & {}));

/** What a node is. */
export type NodeKind = ("root_supervisor" | "child_task");

/** A known word, or one of a later version; readers keep that as text. */
export type NodeKindWord = (NodeKind | (string & {}));

/** The policy of a child in effect, value by value, with who said each. */
export type PolicyAnswer = {
  /** How it is looked after. Empty for the root, which nobody looks after. */
  readonly child: readonly (PolicyRule)[];
  /** How it looks after its own children. Empty when it is no supervisor. */
  readonly supervisor: readonly (PolicyRule)[];
};

/** One value of a policy. */
export type PolicyRule = {
  /** Which one that is: the path of a supervisor, a role, a criticality or a profile. With the source `child` the supervisor whose `defaults` said the parts that its own spec leaves out. Absent when the source says all. Never empty. */
  readonly from?: string | null;
  /** What it is about: the key under which a stack file says it, such as `shutdown.abort_wait_ms`. Never empty. */
  readonly key: string;
  /** Who said it. */
  readonly source: RuleSourceWord;
  /** The value, in words. Never empty. */
  readonly value: string;
};

/** How long the run of a task is being polled: the time for which it keeps a worker of the runtime to itself. Tasks that it spawns are not part of it. */
export type PollTimes = {
  /** The time of all its polls, in milliseconds. 0: less than one. */
  readonly busy_millis: number;
  /** The share of the last two seconds, or somewhat more, in percent of one worker: 100 is all of its time. At first: since the run began. 0: less than half a percent. */
  readonly busy_percent: number;
  /** The longest poll of the run, the one that goes on included, in microseconds. 0: less than one. */
  readonly longest_poll_micros: number;
  /** When these figures were read. Never 0. */
  readonly measured_at_unix_nanos: number;
  /** How many polls are over. 0: none. */
  readonly polls: number;
};

/** What a program uses: all processes of its group, and what they started, together. It is measured every two seconds; where that would take more than a twentieth of a core, less often. */
export type ProgramUsage = {
  /** CPU since the run began, in milliseconds. 0: less than the system counts. */
  readonly cpu_millis: number;
  /** CPU between the last two measurements, in percent of one core: 150 is one and a half cores. At first: since the program began. 0: less than half a percent. */
  readonly cpu_percent: number;
  /** Open files and sockets of the processes that may be looked at: those of the supervisor's own user. 0: none. */
  readonly descriptors: number;
  /** When it was measured. Never 0. */
  readonly measured_at_unix_nanos: number;
  /** Processes. 0: nothing runs any more. */
  readonly processes: number;
  /** Memory that is in use, not swapped out. What processes share counts once for each. 0: nothing runs any more. */
  readonly resident_bytes: number;
  /** Threads; a process has at least one. 0: nothing runs any more. */
  readonly threads: number;
};

/** Whether the live run of a child can do its work. Changes to `ready` at most once per generation. */
export type Readiness = ("unreported" | "not_ready" | "ready");

/** A known word, or one of a later version; readers keep that as text. */
export type ReadinessWord = (Readiness | (string & {}));

/** How a target stands with its relay. */
export type RegistrationHealth = {
  /** The relay's word for its last refusal. Null when the last attempt was not refused. Never empty. */
  readonly code: string | null;
  /** Attempts that failed since the last one that did not. 0: none. */
  readonly failures: number;
  /** In how many milliseconds it tries again or renews. Null while an attempt goes on, and when it is closed. 0: at once. */
  readonly next_attempt_ms: number | null;
  /** How far it is. */
  readonly phase: RegistrationPhase;
  /** Why the last attempt failed and what helps. Null when it did not fail. Never empty. */
  readonly problem: string | null;
  /** The relay's registration socket. Never empty. */
  readonly relay: string;
  /** Whether the relay has acknowledged it since the target started. A lease that ran out is told by this and a phase that is not registered. False: it has not. */
  readonly was_registered: boolean;
};

/** How a target stands with its relay. */
export type RegistrationPhase = ("connecting" | "registered" | "renewing" | "unreachable" | "refused" | "closed");

/** How a target stands with a relay. */
export type RegistrationState = ("active" | "rejected" | "expired");

/** A known word, or one of a later version; readers keep that as text. */
export type RegistrationStateWord = (RegistrationState | (string & {}));

/** Where a browser wants to go on. A target that is not spoken of begins from now on. */
export type ResumeCursor = {
  /** In the events of the one target whose stream it names. Absent: from now on. */
  readonly events?: (Cursor | null);
  /** In the logs of the one target whose stream it names. Absent: from now on. */
  readonly logs?: (Cursor | null);
  /** In the streams of several targets, by their ids. Absent when there are none. */
  readonly targets?: Readonly<Record<string, TargetCursor>>;
};

/** Who said a value of a policy. */
export type RuleSource = ("child" | "defaults" | "role" | "criticality" | "supervisor" | "kind" | "backoff" | "profile" | "stack_file");

/** A known word, or one of a later version; readers keep that as text. */
export type RuleSourceWord = (RuleSource | (string & {}));

/** The state of the part that supervises. */
export type RuntimeControlPlaneState = ("starting" | "alive" | "shutting_down" | "completed" | "failed");

/** How a tree ended. Written once; the first report wins. */
export type RuntimeExitReport = {
  /** When, in Unix nanoseconds. 0: the clock stood before 1970. */
  readonly completed_at_unix_nanos: number;
  /** Whether the supervising part itself panicked. False: it did not. */
  readonly panic: boolean;
  /** What it was doing: `shutdown`, `all_done`, `auto_shutdown`, `start`, `escalation`, `loop`, `dropped`. Never empty. */
  readonly phase: string;
  /** Why it ended, as a sentence or a chain. Never empty. */
  readonly reason: string;
  /** Whether starting the tree again makes sense. False: it would end the same way. */
  readonly recoverable: boolean;
  /** `completed` or `failed`. */
  readonly state: RuntimeControlPlaneState;
};

/** Why a tree failed. */
export type RuntimeFailureReason = {
  /** Whether the supervising part itself panicked. False: it did not. */
  readonly panic: boolean;
  /** Where: `start`, `escalation`, `loop`. Never empty. */
  readonly phase: string;
  /** What happened, as a sentence or a chain. Never empty. */
  readonly reason: string;
  /** Whether starting the tree again makes sense. False: it would end the same way. */
  readonly recoverable: boolean;
};

/** What a tree says of itself now. Reading it never waits for the loop. */
export type RuntimeHealthReport = {
  /** Whether the tree can take commands. False: it has ended, or its loop is gone. */
  readonly alive: boolean;
  /** How the audit is. Absent from a tree that no control socket serves. */
  readonly audit?: (AuditHealth | null);
  /** The final report, after the end. Absent before. */
  readonly exit_report?: (RuntimeExitReport | null);
  /** Why it failed. Absent when it did not. */
  readonly failure?: (RuntimeFailureReason | null);
  /** The time of this read; after the end, the time of the report. 0: the clock stood before 1970. */
  readonly last_observed_at_unix_nanos: number;
  /** Whether the service manager's ping is withheld: a critical child is stale, unhealthy or unresponsive, or the loop is stuck (D21). False: it is sent. */
  readonly ping_withheld: boolean;
  /** How it stands with its relay. Absent when none is configured, and from a tree that no control socket serves. */
  readonly registration?: (RegistrationHealth | null);
  /** When it was launched, Unix nanoseconds. 0: the clock stood before 1970. */
  readonly started_at_unix_nanos: number;
  /** The state of the supervising part. */
  readonly state: RuntimeControlPlaneState;
  /** Who has not moved for too long. Empty: nobody. */
  readonly stuck: readonly (Stuck)[];
  /** The health of the whole (D21). */
  readonly tree: TreeHealth;
};

/** How a node is. */
export type RuntimeRow = {
  /** The sequence of the last event in this row. Absent when the target does not say. 0: nothing has happened to it yet. */
  readonly as_of?: number;
  /** Which restart of its streak the run is. 0: a first run. */
  readonly attempt: number;
  /** Of a supervisor the budget of restarts of its children, of another child its own, as of this read. Absent when it has none or one without a limit, and when the target does not say. */
  readonly budget?: BudgetUse;
  /** The path of the node. */
  readonly child_path: SupervisorPath;
  /** The same as `attempt`, for readers that know it by this name. 0: a first run. */
  readonly child_start_count: number;
  /** The number of the live or last run. 0: before the first. */
  readonly generation: number;
  /** What heartbeats say; of a supervisor, what its children add up to. */
  readonly health: HealthWord;
  /** How the last run that ended badly ended. Null when none did. */
  readonly last_failure: unknown;
  /** When the last heartbeat before this read came, or the last probe succeeded; later ones are not told as long as none is missed. Absent when none came, when one was missed, and when the target does not say. */
  readonly last_heartbeat_unix_nanos?: UnixNanos;
  /** What was decided when a run last ended, as the word of an event's `next`. A target of another kind may write anything. Null when none ended. */
  readonly last_policy_decision: unknown;
  /** Its state. */
  readonly lifecycle_state: LifecycleWord;
  /** When it is to be started. Absent but in back-off, and when the target does not say. */
  readonly next_start_at_unix_nanos?: UnixNanos;
  /** What its live run says that it is doing, or waits for, as of this read; a change of it alone is not told. Absent when it says nothing, and when the target does not say. Never empty. */
  readonly phase?: string;
  /** The process of the program that runs. Absent when no program runs, and when the target does not say. Never 0. */
  readonly pid?: number;
  /** How long the run of a task is being polled. Absent when no run is live, when its polls are not timed, and when the target does not say. */
  readonly poll_times?: PollTimes;
  /** Whether the live run is ready. */
  readonly readiness: ReadinessWord;
  /** Automatic restarts so far. 0: none. */
  readonly restart_count: number;
  /** How far a stop is. */
  readonly shutdown_state: ShutdownStateWord;
  /** When it came into its state. Absent when the target does not say. Never 0. */
  readonly since_unix_nanos?: UnixNanos;
  /** When its live run began. Absent when none is live, and when the target does not say. */
  readonly started_at_unix_nanos?: UnixNanos;
  /** What the program that runs uses. Absent when no program runs, before the first measurement, and when the target does not say. */
  readonly usage?: ProgramUsage;
};

/** The hello of a relay. */
export type ServerHello = {
  /** What the relay can do beyond the contract. */
  readonly capabilities: readonly (string)[];
  /** Who the browser is, as proved. */
  readonly client_identity: string;
  /** Their version. */
  readonly filter_config_version: Token;
  /** The conditions that hold. */
  readonly log_event_filter_conditions: FilterConditions;
  /** Where records are filtered. */
  readonly log_event_filter_mode: string;
  /** The protocol. Absent when the relay does not say. */
  readonly protocol_version?: string | null;
  /** What the browser may do: `viewer`, `operator`, `admin`. Absent when the relay does not say. */
  readonly role?: string | null;
  /** The session. */
  readonly session_id: string;
};

/** What a relay says. */
export type ServerMessage = (ServerHello & {
  readonly type: "server_hello";
} | {
  /** The targets. */
  readonly targets: readonly (ListedTarget)[];
  readonly type: "target_list";
} | {
  /** Its state. */
  readonly state: DashboardState;
  /** Names the life of the target: its sequences begin anew with another one. A cursor gives it back. Absent when the relay does not say. */
  readonly stream_epoch?: (Token | null);
  /** The target. */
  readonly target_id: string;
  readonly type: "state";
} | {
  /** What. */
  readonly event: EventRecord;
  /** The target. */
  readonly target_id: string;
  readonly type: "event";
} | {
  /** What. */
  readonly log: LogRecord;
  /** The target. */
  readonly target_id: string;
  readonly type: "log";
} | {
  /** How. */
  readonly delta: StateDelta;
  /** The target. */
  readonly target_id: string;
  readonly type: "state_delta";
} | {
  /** How it is now. */
  readonly state: ConnectionStateWord;
  /** The target. */
  readonly target_id: string;
  readonly type: "connection_state";
} | {
  /** Events so far. 0: none. */
  readonly dropped_event_count: number;
  /** Lines of logs so far. Absent when there is nothing new to say. 0: none. */
  readonly dropped_log_count?: number | null;
  /** The target. */
  readonly target_id: string;
  readonly type: "dropped_count";
} | {
  /** Names the life, as in `state`. */
  readonly stream_epoch: Token;
  /** The target. */
  readonly target_id: string;
  readonly type: "stream_began";
} | {
  /** The first lost sequence. Never 0: the first of a target is 1. */
  readonly from: number;
  /** Of which stream. */
  readonly stream: StreamWord;
  /** The target. */
  readonly target_id: string;
  /** The last lost sequence. Never 0, and never below `from`. */
  readonly to: number;
  readonly type: "gap";
} | {
  /** Their version. */
  readonly filter_config_version: Token;
  /** The conditions. */
  readonly log_event_filter_conditions: FilterConditions;
  readonly type: "filter_applied";
} | {
  /** What, and how it went. */
  readonly audit: AuditEvent;
  /** The target. */
  readonly target_id: string;
  readonly type: "audit_event";
} | AuditPage & {
  readonly type: "audit_page";
} | WhyFound & {
  readonly type: "why_answer";
} | {
  /** The time by the relay's clock. 0: that clock is before 1970. */
  readonly at_unix_nanos: UnixNanos;
  readonly type: "heartbeat";
} | {
  /** How it went. */
  readonly result: BrowserCommandResult;
  /** The target. */
  readonly target_id: string;
  readonly type: "command_result";
} | {
  /** The command that was refused. Absent when it was no command or its id could not be read. */
  readonly command_id?: string | null;
  /** Why. */
  readonly error: WireError;
  readonly type: "error";
});

/** How much an event matters to somebody who only glances. */
export type Severity = ("trace" | "debug" | "info" | "warning" | "error");

/** A known word, or one of a later version; readers keep that as text. */
export type SeverityWord = (Severity | (string & {}));

/** How far the stop of a child is, in the words of the wire's `shutdown_state`. */
export type ShutdownState = ("running" | "requested" | "stopping" | "completed");

/** A known word, or one of a later version; readers keep that as text. */
export type ShutdownStateWord = (ShutdownState | (string & {}));

/** Where in the handling of a request an error arose. */
export type Stage = ("protocol_parse" | "command_validate" | "registration" | "config" | "ipc_bind" | "ipc_read" | "subscription" | "command_dispatch" | "peer_credentials" | "authorization" | "replay_protection" | "size_limit" | "rate_limit" | "audit" | "idempotency" | "session");

/** A known word, or one of a later version; readers keep that as text. */
export type StageWord = (Stage | (string & {}));

/** What changed in a state. A key that is absent says that nothing changed there. */
export type StateDelta = {
  /** How the connection to the target is now. Absent: as it was. */
  readonly connection_state?: (ConnectionStateWord | null);
  /** The new count of events that are no longer kept. Absent: as it was. 0: none. */
  readonly dropped_event_count?: number | null;
  /** The new count of lines of logs that are no longer kept. Absent: as it was. 0: none. */
  readonly dropped_log_count?: number | null;
  /** More events; those that the reader has are passed by. Absent: none. Empty: none. */
  readonly recent_events?: readonly (EventRecord)[] | null;
  /** More lines of logs; those that the reader has are passed by. Absent: none. Empty: none. */
  readonly recent_logs?: readonly (LogRecord)[] | null;
  /** New or changed rows; with `topology` all rows. Absent: as they were. Empty with `topology`: there are no rows any more. */
  readonly runtime_state?: readonly (RuntimeRow)[] | null;
  /** The generation after the change. Absent when the sender does not say. 0: nothing has happened yet. */
  readonly state_generation?: number | null;
  /** The whole new topology. With it the rows are replaced, without it they are upserted. Absent: as it was. */
  readonly topology?: (Topology | null);
};

/** Who is stopped and started when a child of a supervisor has to be restarted. */
export type Strategy = ("one_for_one" | "one_for_all" | "rest_for_one");

/** A known word, or one of a later version; readers keep that as text. */
export type StrategyWord = (Strategy | (string & {}));

/** What can be subscribed to. */
export type Stream = ("events" | "logs");

/** A known word, or one of a later version; readers keep that as text. */
export type StreamWord = (Stream | (string & {}));

/** A child, or the loop, that has not moved for too long (D13). */
export type Stuck = {
  /** For how long, in nanoseconds. Never 0. */
  readonly age_nanos: number;
  /** The child's path, or `loop`. Never empty. */
  readonly name: string;
  /** What it was doing. Never empty. */
  readonly phase: string;
};

/** A place in the tree: / is the root supervisor. */
export type SupervisorPath = string;

/** A command that a target takes. */
export type SupportedCommand = {
  /** Whether the same command id may be sent again. False: a repetition may be carried out twice. */
  readonly idempotent: boolean;
  /** Its word. Empty is refused with `unsupported_command_schema`. */
  readonly name: string;
  /** How long the target tries before it answers `accepted`. 0 is refused with `unsupported_command_schema`. */
  readonly timeout_seconds: number;
};

/** How far a browser has come with one target. */
export type TargetCursor = {
  /** The last event that was received. Absent: events begin from now on. 0: everything that is kept follows. */
  readonly events?: number | null;
  /** The last line of the logs that was received. Absent: logs begin from now on. 0: everything that is kept follows. */
  readonly logs?: number | null;
  /** The life of the target in which it was seen, from `state`. Of another life everything that is kept follows. */
  readonly stream_epoch: Token;
};

/** Who a target is. */
export type TargetInfo = {
  /** How the connection to it is. */
  readonly connection_state: ConnectionStateWord;
  /** What people call it. Empty: nothing; show the id. */
  readonly display_name: string;
  /** How it stands with the relay. */
  readonly registration_state: RegistrationStateWord;
  /** Its id. Never empty. */
  readonly target_id: string;
};

/** A value that is compared and given back, and means nothing to whoever keeps it. */
export type Token = (number | string);

/** Who is in the tree and who belongs to whom. */
export type Topology = {
  /** Everybody but the root, in the order of declaration; this project writes paths. Empty: nobody but the root. */
  readonly declaration_order: readonly (string)[];
  /** Who is above whom, and who needs whom. Empty: nobody but the root. */
  readonly edges: readonly (Edge)[];
  /** Everybody, parents before their children. Empty: a page after the last row. */
  readonly nodes: readonly (Node)[];
  /** The root's path. */
  readonly root: SupervisorPath;
};

/** The health of the whole tree (D21). */
export type TreeHealth = ("healthy" | "degraded" | "unhealthy");

/** Unix nanoseconds. Written as an integer; a decimal string is read too. 0: a clock that stands before 1970. */
export type UnixNanos = (number | string);

/** Why a child is as it is. */
export type WhyAnswer = {
  /** The events that led to it, the first cause first. Empty when none of them is kept any more. */
  readonly chain: readonly (EventRecord)[];
  /** The child. */
  readonly child_path: SupervisorPath;
  /** What happens next, as the word of an event's `next`. Never empty: `nothing` says that nothing is known. */
  readonly next: string;
  /** How long until then, in milliseconds. Absent when that has no time. 0: now. */
  readonly next_in_ms?: number | null;
  /** What decides what happens to it. Absent when the target does not say. */
  readonly policy?: (PolicyAnswer | null);
  /** What happened, what led to it and what happens next, as a sentence. Never empty. */
  readonly sentence: string;
};

/** The answer of a target to a `why_query`. */
export type WhyFound = {
  /** The question. */
  readonly query_id: string;
  /** The target. */
  readonly target_id: string;
  /** The answer. */
  readonly why: WhyAnswer;
};

/** A browser asks why a child is as it is, and by which policy. It gets one `why_answer`, or one `error` with this `query_id` as its `command_id`. */
export type WhyQuery = {
  /** A path, or an id that only one child has. Empty is refused. */
  readonly child_path: string;
  /** The browser's id of the question, 1 to 128 printable bytes. */
  readonly query_id: string;
  /** The target. */
  readonly target_id: string;
};

/** An error as it is told to a peer. */
export type WireError = {
  /** What went wrong, for programs. */
  readonly code: ErrorCodeWord;
  /** What went wrong and what to do about it, as a sentence of at most 512 characters. Never empty. */
  readonly message: string;
  /** When to try again, in milliseconds from now. Absent when that is not known. 0: at once. */
  readonly retry_after_ms?: number | null;
  /** Whether the same request may go through later without anything else being changed. False: something has to be changed first. */
  readonly retryable: boolean;
  /** Where. */
  readonly stage: StageWord;
  /** The target it is about. Null when that is not known yet. Never empty. */
  readonly target_id: string | null;
};
