// Every word that an operator reads, in one place.

/** How a state is shown: a shape, a word and a colour; never the colour alone. */
export interface Look {
  readonly shape: Shape;
  readonly word: string;
  readonly tone: Tone;
}

/** The shapes of states. */
export type Shape =
  | "dot"
  | "clock"
  | "triangle"
  | "bars"
  | "check"
  | "diamond"
  | "cross"
  | "dotted"
  | "rising"
  | "falling"
  | "square"
  | "ring"
  | "dash";

/** The colours of states, by meaning. */
export type Tone = "good" | "warn" | "bad" | "held" | "parked" | "quiet";

const LOOKS: Readonly<Record<string, Look>> = {
  running: { shape: "dot", word: "running", tone: "good" },
  backoff: { shape: "clock", word: "back-off", tone: "warn" },
  quarantined: { shape: "triangle", word: "quarantined", tone: "parked" },
  paused: { shape: "bars", word: "paused", tone: "held" },
  completed: { shape: "check", word: "completed", tone: "quiet" },
  degraded: { shape: "diamond", word: "degraded", tone: "warn" },
  unresponsive: { shape: "cross", word: "unresponsive", tone: "bad" },
  failed: { shape: "cross", word: "failed", tone: "bad" },
  waiting: { shape: "dotted", word: "waiting", tone: "warn" },
  starting: { shape: "rising", word: "starting", tone: "warn" },
  stopping: { shape: "falling", word: "stopping", tone: "warn" },
  stopped: { shape: "square", word: "stopped", tone: "quiet" },
  declared: { shape: "ring", word: "declared", tone: "quiet" },
  removed: { shape: "dash", word: "removed", tone: "quiet" },
  stale: { shape: "diamond", word: "heartbeat late", tone: "warn" },
  unhealthy: { shape: "diamond", word: "unhealthy", tone: "bad" },
  not_live: { shape: "cross", word: "not live", tone: "bad" },
};

/** The look of a state. One that is unknown is shown by its own word. */
export function look(state: string): Look {
  return (
    (Object.hasOwn(LOOKS, state) ? LOOKS[state] : undefined) ?? { shape: "ring", word: state, tone: "quiet" }
  );
}

/** How a run ended, as the end of "because …". */
export const ENDED: Readonly<Record<string, string>> = {
  failed: "it failed",
  panicked: "it panicked",
  timed_out: "it did not start in time",
  unhealthy: "it missed its heartbeats",
  killed: "it was killed",
  aborted: "it was aborted when its grace was over",
};

/** Why, when no run ended: the words of an event's `cause`. */
export const CAUSES: Readonly<Record<string, string>> = {
  start: "its supervisor is starting",
  backoff: "the time of its back-off came",
  deadline: "it did not start in time",
  heartbeat: "it missed its heartbeats",
  dependency: "a sibling it depends on changed",
  group_restart: "its group is restarted",
  escalation: "a supervisor gave up",
  unwind: "another child failed in the first start",
  primary: "the child it serves changed",
  supervisor: "its supervisor is being stopped or started",
  significant_child: "a significant child ended",
  budget: "its restart budget is exhausted",
  shutdown: "the tree is shutting down",
  reload: "a new spec was applied",
  schedule: "the time of its schedule came",
};

/** What happens next: the words of an event's `next`. `in` is a span or empty, `path` another child or empty. */
export function nextWords(next: string, inSpan: string | null, path: string | null): string | null {
  switch (next) {
    case "start_now":
      return "It is started now.";
    case "start_at":
      return inSpan === null ? "It is started again by itself." : `It is started again in ${inSpan}.`;
    case "start_with_group":
      return inSpan === null
        ? "It is started with its group."
        : `It is started with its group, in ${inSpan} at the earliest.`;
    case "waits_for":
      return path === null
        ? "It is started when a sibling is ready."
        : `It is started when ${path} is ready.`;
    case "start_when_gone":
      return "It is started when its old run is gone.";
    case "kill_at":
      return inSpan === null
        ? "It is killed unless it ends before."
        : `It is killed in ${inSpan} unless it ends before.`;
    case "until_operator":
      return "It stays like this until somebody resumes or restarts it.";
    case "escalate":
      return "Its supervisor gives up, and the one above decides.";
    default:
      return null;
  }
}

/** The commands, as a button says them and as a sentence says them. */
export const COMMANDS = {
  restart_child: { button: "Restart", verb: "restart", done: "restarted" },
  pause_child: { button: "Pause", verb: "pause", done: "paused" },
  resume_child: { button: "Resume", verb: "resume", done: "resumed" },
  quarantine_child: { button: "Quarantine", verb: "quarantine", done: "quarantined" },
  remove_child: { button: "Remove", verb: "remove", done: "removed" },
  add_child: { button: "Add child", verb: "add a child to", done: "added" },
  shutdown_tree: { button: "Shut down", verb: "shut down", done: "shut down" },
} as const;

/** What a command does, for the question before it. */
export const EFFECTS: Readonly<Record<keyof typeof COMMANDS, string>> = {
  restart_child:
    "It is stopped if it runs, then started. This costs nothing of its budget and clears its streak of failures.",
  pause_child: "It is stopped and held. Nothing starts it until somebody resumes or restarts it.",
  resume_child: "It is started again.",
  quarantine_child: "It is stopped and parked. Nothing starts it until somebody resumes or restarts it.",
  remove_child: "It is stopped and deleted from the tree. Only adding it anew brings it back.",
  add_child: "A new child is added and started.",
  shutdown_tree: "Every child is stopped, and the target ends.",
};

/** The reason that is sent with a resume, which asks for none. */
export const RESUME_REASON = "resumed from the dashboard";

/** The lists of events and logs. */
export const LIST = {
  timeline: "Timeline",
  events: "Events",
  log: "Log",
  search: "Search what is shown",
  searchLog: "Search this log",
  filter: "Filter",
  clear: "Clear filter",
  takeAway: (what: string) => `Take away: ${what}`,
  follow: "Follow",
  // Not "pause": beside it a child can be paused.
  hold: "Hold",
  held: "Held.",
  heldWith: (fresh: string) => `Held: ${fresh} new.`,
  save: "Export JSONL",
  level: "Least severity",
  everyLevel: "all severities",
  andWorse: (severity: string) => `${severity} and worse`,
  severity: "Severity",
  path: "Path",
  pathHint: "/ingest/feed-eu",
  badPath: "A path begins with / and has names between slashes.",
  state: "State after the event",
  event: "Event",
  eventHint: "ChildFailed",
  target: "Target",
  command: "Command id",
  choose: "add…",
  asked: "The relay sends only what fits, for as long as this page is open.",
  noneFits: "Nothing in the kept history fits.",
  none: "Nothing has happened in the kept history.",
  record: "The record",
  caused: "Everything this command caused",
  close: "Close",
  connection: (state: string) => `Connection to the target: ${state}`,
  again: "The target was started again; its sequences begin anew",
} as const;

/** The states a child can be in, in the order of a life. */
export const STATES: readonly string[] = [
  "declared",
  "waiting",
  "starting",
  "running",
  "backoff",
  "stopping",
  "stopped",
  "completed",
  "failed",
  "paused",
  "quarantined",
  "unresponsive",
  "removed",
];

/** The first page. */
export const FLEET = {
  connecting: "Connecting to the relay…",
  waiting: "Waiting for the list of targets…",
  none: "No target is registered",
  noneWhy: "A target registers by itself when its stack says where the relay is, under",
  noneThen: "It appears here within its heartbeat, without a reload.",
  broken: (many: number, said: string, live: boolean) =>
    `${said} ${many === 1 ? "thing" : "things"} ${
      live
        ? many === 1
          ? "is not well"
          : "are not well"
        : `${many === 1 ? "was" : "were"} not well when this was last heard`
    }`,
  fine: "Everything runs",
  loading: (many: number, said: string) =>
    `Waiting for the state of ${said} ${many === 1 ? "target" : "targets"}…`,
  wasFine: "Everything ran when this was last heard",
  size: (children: string, targets: number, said: string) =>
    `${children} children in ${said} ${targets === 1 ? "target" : "targets"}`,
  targets: "Targets",
  notLive: "NOT LIVE",
  lastData: (age: string | null, why: string) =>
    `Last data ${age === null ? "never" : `${age} ago`}: ${why}.`,
  goesOn: "The relay goes on trying by itself. What is shown of it may be old.",
  more: (many: string) => `${many} more`,
  moreLost: (many: string) => `${many} more targets are not live; they stand first below.`,
  sums: { not_live: "not live", degraded: "degraded", running: "healthy" },
  order: "worst first",
  held: "worst first; the order is held while you are at it",
  columns: {
    target: "Target",
    state: "State",
    worst: "Worst now",
    restarts: "Restarts, 5 min",
    budget: "Budget used",
    up: "Up",
    age: "Data age",
  },
  spark: "restarts in 5 minutes",
  title: (many: number) => `${many === 0 ? "" : `(${many}) `}supervisor`,
  was: (word: string) => `was: ${word}`,
  ago: (age: string) => `${age} ago`,
  never: "no data yet",
} as const;

/** How a target stands. */
export const STANDING = {
  loading: "loading",
  all: (total: string) => `all ${total} running`,
  allCompleted: (total: string) => `all ${total} completed`,
  some: (running: string, completed: string) => `${running} running, ${completed} completed`,
  notWell: (total: string) => `all ${total} running, not all well`,
  down: (down: string, total: string) => `${down}/${total} not running`,
} as const;

/** The charts. */
export const CHARTS = {
  restarts: "Restarts",
  failures: "Failures by kind",
  noFailure: "none",
  ready: "Ready children",
  events: "Events",
  unknown: "not known",
  range: "How much time is shown",
  minutes: (minutes: number) => (minutes === 60 ? "1 hour" : `${minutes} minutes`),
  cursor: "Time",
  whole: "the whole time shown",
  until: (time: string) => `until ${time}`,
  all: "Whole time",
  since: (time: string) => `What happened before ${time} is not kept here.`,
  none: "There is no target, so there is nothing to draw.",
  partial:
    "Some events did not come to this page, because of a gap or a filter: more happened than is counted.",
  picture: (title: string) => `${title}, drawn over time`,
} as const;

/** The kind of an end, as a noun. */
export function failureWord(kind: string): string {
  return kind.replaceAll("_", " ");
}

/** The drawn tree. */
export const GRAPH = {
  waiting: (target: string) => `Waiting for the state of ${target}…`,
  label: (target: string) => `Drawing of ${target}; the arrow keys walk over it`,
  above: "is above",
  needs: "needs",
  all: (all: string) => `all ${all} children are drawn`,
  left: (drawn: string, all: string) => `${drawn} of ${all} children are drawn, the worst first.`,
  tree: "The tree has all",
  rest: (hidden: string, down: string | null) =>
    down === null ? `${hidden} more, all well` : `${hidden} more, ${down} not running`,
  box: (path: string, needs: readonly string[]) =>
    `, ${path}${needs.length === 0 ? "" : `, needs ${needs.join(" and ")}`}`,
} as const;

/** A row of a tree. */
export const ROW = {
  restart: (attempt: number, left: string | null) =>
    left === null
      ? `restart ${attempt}`
      : left === ""
        ? `restart ${attempt} now`
        : `restart ${attempt} in ${left}`,
  below: (total: string) => `${total} below`,
  down: (down: string, total: string) => `${down}/${total} not running`,
  notReady: "not ready",
  exhausted: (max: number | null) => (max === null ? "budget exhausted" : `budget of ${max} exhausted`),
} as const;

/** A target's page. */
export const TARGET = {
  tabs: { tree: "Tree", graph: "Graph", timeline: "Timeline", audit: "Audit", charts: "Charts" },
  title: "Target",
  views: "Views of the target",
  none: (id: string) => `No target is called ${id}`,
  loading: "Loading…",
  gone: "It is not registered now, or you may not see it.",
  all: "All targets",
  up: (time: string) => `up ${time}`,
  config: (version: string) => `config ${version}`,
  noData: "no data yet",
  old: (age: string) => `data ${age} old`,
  notLive: (age: string | null, why: string) =>
    `NOT LIVE – ${age === null ? "no data yet" : `last data ${age} ago`}, ${why}`,
  restarts: "restarts, 5 min",
  budget: "budget used",
} as const;

/** The readiness of a run, in words. One that is unknown is shown by its own word. */
export const READY: Readonly<Record<string, string>> = {
  ready: "ready",
  not_ready: "not ready",
  unreported: "",
};

/** The tree. */
export const TREE = {
  columns: {
    child: "Child",
    state: "State",
    since: "Since",
    up: "Up",
    ready: "Ready",
    run: "Run",
    attempt: "Attempt",
    restarts: "Restarts",
    budget: "Budget used",
    why: "Why, or last failure",
  },
  label: (target: string) => `Children of ${target}`,
  strategy: "whom a failed child takes with it",
  dynamic: "dynamic",
  pid: (pid: number) => `pid ${pid}`,
  waiting: (target: string) => `Waiting for the state of ${target}…`,
  search: "Filter by path",
  problems: "Problems only",
  noProblem: "No problem.",
  empty: "The tree has no children.",
  noneHas: (words: string) => `No path has “${words}” in it.`,
  open: "Open",
  close: "Close",
  select: (path: string) => `Select ${path}`,
  selection: "Selection",
  selected: (many: string) => `${many} selected`,
  clear: "Clear",
  nobodyTakes: (why: string) => `Nobody of the selection takes it now. ${why}`,
  longer: "Longer than the kept history",
  hidden: (hidden: string, down: string | null) =>
    down === null
      ? `${hidden} more are well and hidden`
      : `${hidden} more are hidden, ${down} of them not running`,
  allShown: (all: string) => `All ${all} are shown`,
  showAll: "Show all",
  worstOnly: "Only the worst",
  copied: (path: string) => `✓ ${path} copied`,
  notCopied: "✕ the browser does not allow to copy",
} as const;

/** Why a command cannot be given now. */
export const REFUSALS = {
  root: "The root takes only new children and a shutdown.",
  ending: "It is stopping or has ended.",
  notLive: "Not live: nothing can be sent now.",
  notTaken: "This target does not take this command.",
  role: (needed: string, role: string) => `Needs the role ${needed}; you are ${role}.`,
  removed: "It is no longer in the tree.",
  notHeld: "It is neither paused nor quarantined.",
  paused: "It is paused already.",
  quarantined: "It is quarantined already.",
} as const;

/** The question before a command. */
export const ASK = {
  addUnder: "Add a child under",
  children: (many: string) => `${many} children`,
  on: "On",
  gone: "It is no longer in the tree.",
  mend: "Mend the manifest first.",
  why: "Say why first.",
  type: (name: string) => `Type ${name} first.`,
  these: (many: string) => `These ${many}:`,
  below: (many: number, said: string) => `${said} below ${many === 1 ? "is" : "are"} stopped too:`,
  needing: (many: number, said: string) =>
    `${said} ${many === 1 ? "needs" : "need"} what is stopped and may wait or be restarted:`,
  leftOut: (many: string) => `${many} of the selection are left out:`,
  more: (many: string) => `and ${many} more`,
  reason: "Reason, for the audit",
  confirm: "To confirm, type",
  cancel: "Cancel",
} as const;

/** The editor of a manifest. */
export const MANIFEST = {
  label: "Manifest, as JSON",
  beginWith: "Begin with",
  program: "Program",
  task: "Task",
  supervisor: "Supervisor",
  good: "It follows the schema. The target checks it again.",
  keys: "The keys of a manifest",
  needed: "needed",
  noJson: (why: string) => `It is no JSON: ${why}`,
  taken: (name: string) => `There is a child called ${name} already.`,
} as const;

/** What is wrong with a value that a schema describes. */
export const SCHEMA = {
  types: {
    object: "an object",
    array: "a list",
    string: "a text",
    number: "a number",
    integer: "a whole number",
    boolean: "true or false",
  } as Readonly<Record<string, string>>,
  mustBe: (what: string) => `must be ${what}`,
  mustBeA: (what: string) => `must be ${what}`,
  pattern: (value: string, what: string) =>
    value === ""
      ? "must not be empty"
      : `“${value}” is not allowed: 1 to 64 letters, digits, '.', '_' or '-', and no '.' or '-' first. ${what}`,
  least: (least: number) => `must be at least ${least}`,
  more: (least: number) => `must be more than ${least}`,
  most: (most: number) => `must be at most ${most}`,
  missing: (key: string, what: string) => `the key ${key} is missing. ${what}`,
  unknownKey: (key: string, nearest: string | null) =>
    `there is no key ${key}${nearest === null ? "" : `; the nearest is ${nearest}`}`,
  oneOf: (words: readonly string[]) => `must be one of: ${words.join(", ")}`,
} as const;

/** A text that can be copied. */
export const COPY = {
  label: (text: string) => `Copy ${text}`,
  copied: "copied",
  failed: "the browser does not allow it",
} as const;

/** A child's page. */
export const CHILD = {
  runs: "Runs",
  failures: "Failures",
  failuresOf: (many: number) => (many === 0 ? "Failures" : `Failures ${many}`),
  json: "JSON",
  noFailure: "No run failed in the kept history.",
  noRun: "No run began in the kept history.",
  history: "History",
  chain: "What led to this",
  none: "There is no child",
  gone: "It was removed, or the address is wrong.",
  treeOf: (target: string) => `The tree of ${target}`,
  loading: "Loading…",
  run: (run: number) => `run ${run}`,
  after: (time: string) => `after ${time}`,
  ago: (time: string) => `${time} ago`,
  at: "at",
} as const;

/** How a child is looked after. */
/** How much a child matters, in the word of stack files; the wire says `best_effort` for the last of them. */
export const criticality = (word: string): string =>
  word === "best_effort" ? "optional" : word.replaceAll("_", " ");

export const POLICY = {
  title: "How it is looked after",
  children: "How it looks after its children",
  unsaid: (many: number) =>
    many === 1 ? "1 value that nobody has set" : `${many} values that nobody has set`,
  asking: "Asking the target …",
  refused: (why: string) => `The target did not say: ${why}`,
  again: "Ask again",
  before: "Not live: this is what held when the target was last asked.",
  criticality: "criticality",
  budget: "budget",
  restarts: (many: number) => `${many} restarts`,
  window: "budget window",
  delay: "last back-off",
  grace: "grace",
  misses: "misses allowed",
  unbounded: "no bound",
  topology: "told with the tree",
  told: (event: string, ago: string) => `${event}, ${ago} ago`,
  rest: "This is what the target told when it decided by it; the whole policy stands in its spec.",
  /** What each value is about, by its key in a stack file. */
  keys: {
    role: "role",
    restart_policy: "restart",
    backoff: "back-off",
    budget: "budget",
    "budget.max_restarts": "counted instead",
    "budget.on_exhausted": "when that is used up",
    criticality: "criticality",
    readiness: "counts as started",
    ready_within_secs: "must start within",
    "shutdown.graceful_timeout_ms": "time to stop",
    "shutdown.abort_wait_ms": "wait after the kill",
    health_check: "heartbeat",
    restart_dependants: "takes dependants down",
    significant: "ends its supervisor",
    command_permissions: "commands allowed",
    strategy: "restart strategy",
    order: "start order",
    stop: "stop order",
    on_start_failure: "failed first start",
    auto_shutdown: "ends by itself",
    dynamic: "children added while it runs",
  } as Readonly<Record<string, string>>,
  /** Who said a value; `from` names which one. */
  sources: {
    child: (from) => (from === null ? "its own spec" : `its own spec, the rest from the defaults of ${from}`),
    defaults: (from) => (from === null ? "defaults above it" : `defaults of ${from}`),
    role: (from) => `from its role ${from ?? ""}`.trimEnd(),
    criticality: (from) => `because it is ${from ?? "so critical"}`,
    supervisor: (from) => `from its supervisor ${from ?? ""}`.trimEnd(),
    kind: () => "from what it runs",
    backoff: () => "from its back-off",
    profile: (from) =>
      from === null || from === "default" ? "built-in default" : `default of the profile ${from}`,
    stack_file: () => "default of a stack file",
  } as Readonly<Record<string, (from: string | null) => string>>,
} as const;

/** The first sentences of a child's page. */
export const ANSWER = {
  state: (word: string) =>
    word === "back-off" ? "In back-off" : word.charAt(0).toUpperCase() + word.slice(1),
  lasts: (lead: string, time: string) => `${lead} for ${time}`,
  because: (why: string) => `because ${why}`,
  at: "at",
  longer: (word: string) => `${word} for longer than the kept history.`,
  since: (word: string, time: string) => `${word} for ${time}.`,
  budget: (used: number, max: number) => `${used} of ${max} restarts of its budget are used.`,
  notLive: (age: string | null) => `Not live: this is how it was${age === null ? "" : ` ${age} ago`}.`,
} as const;

/** The numbers of a child. */
export const FACTS = {
  title: "Facts",
  readiness: "Readiness",
  phase: "Doing",
  health: "Health",
  noHeartbeat: "no heartbeat is promised, or none came yet",
  run: "Run",
  generation: (run: number, attempt: number) =>
    `${run === 0 ? "none yet" : run}${attempt > 0 ? `, restart ${attempt} in a row` : ""}`,
  up: "Up",
  pid: "Process",
  uses: "Uses",
  usage: (cpu: number, memory: string, threads: string, descriptors: string, processes: string) =>
    `${cpu} % CPU · ${memory} · threads ${threads} · descriptors ${descriptors} · processes ${processes}`,
  polled: "Polled",
  pollTimes: (share: number, longest: string, polls: string) =>
    `${share} % of the time · longest ${longest} ms · polls ${polls}`,
  usedAt: (age: string) => `measured ${age} ago; told again when it changes`,
  restarts: "Restarts",
  budget: "Budget used",
  needs: "Needs",
  needed: "Needed by",
  children: "Children",
  more: (many: string) => `and ${many} more`,
} as const;

/** The commands that were sent. */
export const SENT = {
  title: "Commands",
  steps: {
    sent: "sent",
    accepted: "accepted",
    stopping: "stopping",
    starting: "starting",
    started: "started",
    ready: "ready",
    done: "done",
  },
  toCome: "to come",
  due: (left: string) => `due in ${left}`,
  late: (by: string) => `${by} later than it should be; the target may go on with it`,
  refused: (why: string | null) => `Refused: ${why ?? "no reason given"}`,
  failed: (why: string | null) => `Failed: ${why ?? "no reason given"}`,
  unknown: "The connection was lost before the answer. It may or may not have been done.",
  again: "Ask again",
  caused: "What it caused",
  putAway: (command: string, path: string) => `Put away ${command} ${path}`,
  putAllAway: "Put away all that ended",
  others: ({ all, done, going, wrong }: { all: number; done: number; going: number; wrong: number }) =>
    `${all} more: ${done} done, ${going} going on, ${wrong} refused, failed or unknown`,
} as const;

/** The audit. */
export const AUDIT = {
  title: "Audit",
  search: "Search who, what, why",
  label: "Search the audit",
  every: "every result",
  result: "Result",
  none: "Nobody has asked for anything.",
  noneYet: "Nobody has asked for anything since this page was opened.",
  noneFits: "No record fits.",
  tree: "the tree",
  in: "in",
  caused: "what it caused",
  filter: "Filter",
  clear: "Clear filter",
  who: "Who",
  what: "What",
  anything: "everything",
  target: "Target",
  everyTarget: "every target",
  since: "From",
  until: "Until",
  asking: "The audit is being read…",
  more: "Show older ones",
  end: "There is nothing older.",
  refused: (why: string) => `The audit could not be read: ${why}.`,
  again: "Ask again",
  /** What is on the machine only. The command stands between the two. */
  here: "This list begins with the opening of this page. What came before stands on the machine:",
} as const;

/** The frame of all pages. */
export const APP = {
  putAway: "Put away",
  timeline: "Timeline",
  audit: "Audit",
  charts: "Charts",
  noPage: "There is no such page",
  all: "All targets",
} as const;

/** The line above all pages. */
export const HEADER = {
  where: "Where you are",
  everything: "Everything",
  timeline: "Timeline",
  audit: "Audit",
  charts: "Charts",
  find: "Find",
  live: "live",
  connecting: "connecting",
  who: "Who you are to the relay",
  colours: (theme: string) => `Colours: ${theme}. Change`,
  help: "Keys and signs",
} as const;

/** The keys. */
export const HELP = {
  title: "Keys and signs",
  close: "Close",
  keys: [
    ["/", "Find anything"],
    ["j k", "Next and previous row"],
    ["h l", "Close and open a branch"],
    ["Enter", "Open the child's page"],
    ["Space", "Select for a command on many"],
    ["p", "Problems only"],
    ["y", "Copy the path"],
    ["a", "All of many children, or only the worst"],
    ["r", "Restart the child"],
    ["g f", "Fleet"],
    ["g t", "Timeline"],
    ["g a", "Audit"],
    ["g c", "Charts"],
    ["Esc", "Close what lies over the page"],
    ["?", "This"],
  ] as readonly (readonly [string, string])[],
} as const;

/** The bar that says that nothing is live. */
export const NOT_LIVE = {
  nothing: "nothing was received yet",
  last: (age: string) => `last data ${age} ago`,
  retrying: (left: string | null) => (left === null ? "retrying now" : `retrying in ${left}`),
  connecting: "connecting",
  bar: (heard: string, then: string) => `NOT LIVE – ${heard}, ${then}`,
  retry: "Retry now",
} as const;

/** The panel that finds anything. */
export const PALETTE = {
  title: "Find",
  what: "Find a child, a target, a page",
  found: "Found",
  nothing: "Nothing is called that.",
  page: "page",
  target: "target",
  fleet: "Fleet",
  timeline: "Timeline",
  audit: "Audit",
  charts: "Charts",
} as const;

/** One thing that is broken. */
export const PROBLEM = {
  longer: "Longer than the kept history",
  before: "since before",
  lasts: (time: string) => `for ${time}`,
  in: "in",
  critical: "critical",
  because: " because ",
  at: " at ",
} as const;

/** The title of a budget. */
export function budgetUsed(used: number, max: number): string {
  return `${used} of ${max} restarts of the budget used`;
}

/** The drawn runs of a child. */
export const RUNS = {
  title: "Runs",
  run: (run: number) => `run ${run}`,
  began: (run: number, time: string) => `run ${run}, started ${time}`,
  neverReady: ", never ready",
  ready: (time: string) => `, ready after ${time}`,
  goesOn: ", goes on",
  ended: "ended",
  now: "now",
  legend: { notReady: "not ready", ready: "ready", badly: "ended badly", backoff: "back-off" },
} as const;

/** Why a child is as it is: the first words of its page. */
export const WHY = {
  backoff: (left: string | null, attempt: number) =>
    left === ""
      ? `About to begin restart ${attempt}`
      : `Waiting${left === null ? "" : ` ${left}`} before restart ${attempt}`,
  waiting: (path: string | null) => `Waiting for ${path ?? "a sibling"} to be ready`,
  starting: (attempt: number) => (attempt > 0 ? `Starting, restart ${attempt}` : "Starting"),
  killing: "Being killed: its grace is over",
  stopping: "Asked to stop, not gone yet",
  unresponsive: "Did not end, not even when it was killed",
  unresponsiveNext: "It may still be running, so nothing is started in its place.",
  quarantined: "Quarantined",
  paused: (by: string) => `Paused${by}`,
  failed: "Failed, and nothing starts it by itself",
  completed: "Completed",
  stopped: (by: string) => `Stopped${by}, and nothing starts it by itself`,
  declared: "Never started",
  removed: (by: string) => `Removed from the tree${by}`,
  unhealthy: "Running, and missed too many heartbeats",
  stale: "Running, and its heartbeat is late",
  degraded: "Running, and something below is not",
  notReady: "Running, not ready yet",
  running: "Running",
  by: (who: string) => ` by ${who}`,
  askedFor: (who: string | null) => `${who ?? "somebody"} asked for it`,
  exhausted: (max: number | null) =>
    max === null ? "its restart budget is exhausted" : `its budget of ${max} restarts is exhausted`,
  lastTime: (used: string, how: string) => `${used}; the last time, ${how}`,
  endedOtherwise: (kind: string) => `it ended: ${kind}`,
} as const;

/** Why a target is not live, by the word of its connection. */
export const CONNECTIONS: Readonly<Record<string, string>> = {
  registered: "registered, not connected to yet",
  connecting: "being connected to",
  reconnecting: "connection lost, being connected to again",
  unavailable: "its socket does not answer",
  expired: "its registration has run out",
  rejected: "the relay refused its registration",
};

/** An event or a gap in a few words. */
export const SAY = {
  at: (place: string) => ` at ${place}`,
  after: (time: string) => `after ${time}`,
  took: (time: string) => `took ${time}`,
  records: (stream: string, many: number) =>
    stream === "logs" ? (many === 1 ? "line of logs" : "lines of logs") : many === 1 ? "event" : "events",
  gap: (many: string, what: string, from: string, to: string) => `${many} ${what} missed (${from} to ${to})`,
} as const;

/** A session that does not come back by itself, and what helps. */
export const ENDED_SESSION = {
  title: (why: string) => `NOT LIVE – ${why}`,
  badLink: (why: string) => `The link did not work: ${why}.`,
  link: [
    { text: "Open the link that ", code: false },
    { text: "supervisor dashboard", code: true },
    { text: " prints for a stack that runs, or ", code: false },
    { text: "supervisor relay", code: true },
    { text: " when it starts. Each works once. Or paste a token that you were given.", code: false },
  ],
  token: "Token",
  signIn: "Sign in",
  noRole: "You are known, but no role was given to you. Ask whoever runs the relay to map you to a role.",
  otherTab:
    "Another tab with the same session is open and has the connection. What is shown in this one no longer changes.",
  tryAgain: "Try again",
  useThis: "Use this tab",
} as const;
