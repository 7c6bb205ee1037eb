//! The table itself.

use super::Type::{List, Map, Number, Object, OneOf, OrNull, Seconds, Text, Time, Words};
use super::{Field, Kind, Type};

/// A name, or null.
const TEXT_OR_NULL: Type = OrNull(&Text);
/// Names.
const TEXTS: Type = List(&Text);
/// Sentences.
const SENTENCES: Type = List(&Words);
/// Where a task stands.
const STATE: Type = OneOf(&["free", "assigned", "open", "closed", "canceled", "failed"]);

const VERSION: Field = Field::new("version", Number, "The version of this form.");
const URL: Field = Field::new("url", TEXT_OR_NULL, "The page about the build, where the server has one.");
const TASK: Field =
    Field::new("task", Text, "The task: an id of Koji, a TaskRun's name, the name of a step on this machine.");
const LOG: Field = Field::new("log", Text, "The log's name within the task.");
const VOLUME: Field =
    Field::new("volume", Text, "Where the server knows several: the storage volume it is on.").optional();
const BUILDER: Field = Field::new("builder", Text, "Who builds it, as --build-with takes it.");
const SERVER: Field = Field::new("server", Text, "The server's address.");
const ID: Field = Field::new("id", Text, "What the server calls the build.");
const EXIT_CODE: Field =
    Field::new("exit_code", Number, "How the process ends; see EXIT STATUS in fedpkg-container-build(1).");

const FINDING: &[Field] = &[
    Field::new("id", Text, "The rule, in kebab-case. A rule keeps its id and its meaning."),
    Field::new("severity", OneOf(&["error", "warning", "note"]), "An error is a build that would be refused."),
    Field::new("file", TEXT_OR_NULL, "The file it is in, from the top of the checkout."),
    Field::new("line", OrNull(&Number), "The line in the file, from 1."),
    Field::new("message", Words, "What is wrong."),
    Field::new("hint", Words, "What to do about it.").optional(),
];
const FINDINGS: Field = Field::new("findings", List(&Object(FINDING)), "What was found, as in a finding.");

const KOJI_BUILD: &[Field] = &[
    Field::new("id", Text, "The build's id in Koji."),
    Field::new("nvr", TEXT_OR_NULL, "Name-version-release, as far as the hub knows it."),
    Field::new("url", Text, "The page about it; may be empty."),
];

const LOG_ID: &[Field] = &[TASK, VOLUME, Field::new("name", Text, "The log's name within the task.")];

const FAILURE_LOG: &[Field] = &[
    Field::new("log", Object(LOG_ID), "Which log it is."),
    Field::new("tail", SENTENCES, "Its last lines."),
    Field::new("url", TEXT_OR_NULL, "Where the whole of it is."),
];

const FAILURE: &[Field] = &[
    Field::new("reason", Words, "The server's own words."),
    Field::new("code", OrNull(&Number), "The server's fault code, where it has one."),
    Field::new("task", TEXT_OR_NULL, "The task that failed."),
    Field::new("log", OrNull(&Object(FAILURE_LOG)), "The log that most likely holds the reason."),
];

const BUILD: &[Field] = &[BUILDER, SERVER, ID];

const ORIGIN: &[Field] =
    &[Field::new("file", Text, "The file."), Field::new("line", Number, "The line in it, from 1.")];

const VALUE: &[Field] = &[
    Field::new("section", Text, "The section that has it."),
    Field::new("key", Text, "The key, in lower case."),
    Field::new("raw", Text, "The text as it stands in the file, without secrets."),
    Field::new("value", TEXT_OR_NULL, "The text with its references replaced, where that can be done."),
    Field::new("error", Words, "Why there is no value.").optional(),
    Field::new("origin", OrNull(&Object(ORIGIN)), "Where it stands; null where no file has it."),
    Field::new("place", Words, "The same in a word: FILE:LINE, or what has it (built in)."),
];

/// Words that `kind` of an error may be.
const ERRORS: Type = OneOf(&[
    "checkout",
    "request",
    "config",
    "server",
    "build_failed",
    "io",
    "usage",
    "cancelled",
    "refused",
    "authentication",
    "network",
    "unseen",
    "interrupted",
    "terminated",
    "hung_up",
    "internal",
]);

/// All types of lines, in the order in which a build's story has them.
pub const KINDS: &[Kind] = &[
    Kind::new(
        "start",
        "The first line of every stream.",
        &[
            Field::new("version", Number, "The version of the whole format: 1."),
            Field::new("program", Text, "fedpkg-container-build, by whatever name it was called."),
        ],
    ),
    Kind::new("noted", "Something good to know.", &[Field::new("text", Words, "A sentence.")]),
    Kind::new(
        "waiting",
        "Something takes long, and is waited for.",
        &[Field::new("what", Words, "What is waited for."), Field::new("since", Seconds, "For how long so far.")],
    ),
    Kind::new(
        "warned",
        "Something to know that does not end the command.",
        &[
            Field::new(
                "code",
                OneOf(&["user", "general", "degraded", "session_renewed", "omitted", "exposed", "adopted"]),
                "What kind of warning: user is the build service's own about the build; degraded, that something configured \
                 cannot work; session_renewed, that the login was made anew; omitted, what the build service would have done \
                 and this build did not; exposed, that a password goes over the network in clear text; adopted, that the answer to a submission was lost, and what it made was found; \
                 general, anything else.",
            ),
            Field::new("text", Words, "user, general: the warning.").optional(),
            Field::new("what", Words, "degraded, omitted: what.").optional(),
            Field::new("why", Words, "degraded, omitted: the reason.").optional(),
            Field::new("server", Text, "session_renewed, exposed: the server.").optional(),
            Field::new("task", Text, "adopted: the task that was found.").optional(),
        ],
    ),
    Kind::new("finding", "A check found something.", FINDING),
    Kind::new(
        "check",
        "What check knows of the checkout.",
        &[
            VERSION,
            Field::new("labels", Map(&Text), "The Dockerfile's labels."),
            Field::new("base_images", TEXTS, "The base image of each stage, in order."),
            FINDINGS,
        ],
    ),
    Kind::new(
        "dry_run",
        "What would have been done without --dry-run. Each builder has fields of its own besides these.",
        &[VERSION, BUILDER],
    )
    .open(),
    Kind::new(
        "status",
        "A build that was submitted from here: one line each, the newest last.",
        &[
            BUILDER,
            SERVER,
            ID,
            Field::new(
                "state",
                OrNull(&OneOf(&["succeeded", "failed", "cancelled", "open", "free", "assigned"])),
                "How it ended or stands; null where nobody could be asked.",
            ),
            Field::new(
                "profile",
                Text,
                "What leads to the server: a Koji profile, an instance of osbs.conf; may be empty.",
            ),
            Field::new("component", Text, "What is built, with its namespace."),
            Field::new("branch", Text, "From which branch."),
            Field::new("target", Text, "For which target; may be empty."),
            Field::new("submitted", Time, "When it was submitted."),
            URL,
        ],
    ),
    Kind::new(
        "config",
        "The configuration in force.",
        &[VERSION, Field::new("values", List(&Object(VALUE)), "Each value of each section, by section and key.")],
    ),
    Kind::new(
        "setting",
        "A setting of the checkout.",
        &[
            Field::new("name", Text, "Which one: autorebuild."),
            Field::new("value", Text, "Its value."),
            Field::new("file", TEXT_OR_NULL, "The file that was changed, if one was."),
        ],
    ),
    Kind::new("submitted", "A build was submitted: this names it everywhere.", &[BUILDER, SERVER, ID, URL]),
    Kind::new("attached", "Watching of a build that exists already began.", &[BUILDER, SERVER, ID, URL]),
    Kind::new(
        "task_opened",
        "A task was seen for the first time. The first one is the build itself.",
        &[
            TASK,
            Field::new("parent", TEXT_OR_NULL, "The task that it belongs to."),
            Field::new("label", Words, "What it is called."),
            Field::new("arch", TEXT_OR_NULL, "The architecture, where it is for one."),
            Field::new("state", STATE, "Where it stands."),
            Field::new("host", TEXT_OR_NULL, "The builder's host that has it."),
        ],
    ),
    Kind::new(
        "task_state_changed",
        "A task went from one state to another, maybe back. From failed to failed: the reason was learned.",
        &[
            TASK,
            Field::new("from", STATE, "The state before."),
            Field::new("to", STATE, "The state now."),
            Field::new("host", TEXT_OR_NULL, "The builder's host that has it."),
            Field::new("reason", OrNull(&Words), "Why it failed."),
        ],
    ),
    Kind::new("task_waiting", "A task cannot begin yet.", &[TASK, Field::new("reason", Words, "Why.")]),
    Kind::new(
        "task_retried",
        "A task failed and begins again.",
        &[
            TASK,
            Field::new("attempt", Number, "Which attempt begins; the first one was 1."),
            Field::new("reason", Words, "Why the last one failed."),
        ],
    ),
    Kind::new(
        "progress",
        "Something that can be counted went on.",
        &[
            TASK,
            Field::new("done", Number, "How many are done."),
            Field::new("total", Number, "Of how many. May change."),
            Field::new("unit", OneOf(&["tasks", "steps", "bytes"]), "Of what."),
        ],
    ),
    Kind::new(
        "log_opened",
        "A log appeared.",
        &[TASK, LOG, VOLUME, Field::new("arch", TEXT_OR_NULL, "The architecture, where it is of one.")],
    ),
    Kind::new(
        "log_appended",
        "More of a log. Pieces of one log come in order and without gaps; they may cut lines and characters anywhere.",
        &[
            TASK,
            LOG,
            VOLUME,
            Field::new("offset", Number, "Where in the log it begins, in bytes."),
            Field::new("text", Text, "The bytes, where they are UTF-8.").optional(),
            Field::new("base64", Text, "The bytes otherwise.").optional(),
        ],
    ),
    Kind::new(
        "log_skipped",
        "Bytes of a log that are left out (--tail).",
        &[TASK, LOG, VOLUME, Field::new("to", Number, "Where the next piece begins, in bytes.")],
    ),
    Kind::new(
        "log_restarted",
        "A log was begun anew, and is read from 0.",
        &[TASK, LOG, VOLUME, Field::new("had", Number, "How much of it had been read, in bytes.")],
    ),
    Kind::new("log_closed", "Nothing more will come of a log.", &[TASK, LOG, VOLUME]),
    Kind::new(
        "retrying",
        "A server did not answer as it should, and will be asked again.",
        &[
            Field::new("operation", Words, "What it is asked, in the protocol's words."),
            Field::new("attempt", Number, "Which repetition it is."),
            Field::new("of", OrNull(&Number), "How many there will be; null: until it works."),
            Field::new("delay", Seconds, "How long the wait before it is."),
            Field::new("why", Words, "What went wrong."),
        ],
    ),
    Kind::new("reconnected", "After retrying: the server answers again.", &[]),
    Kind::new(
        "finished",
        "The last line, where the command did what it was asked for; that a build failed is such an end, too. What names the \
         build is there where there is one, and how it ended where that was waited for.",
        &[
            EXIT_CODE,
            BUILDER.optional(),
            SERVER.optional(),
            ID.optional(),
            Field::new(
                "outcome",
                OneOf(&["succeeded", "failed", "cancelled", "detached"]),
                "How the build ended; detached: it goes on.",
            )
            .optional(),
            URL.optional(),
            Field::new("duration", OrNull(&Seconds), "From the beginning of the work to its end.").optional(),
            Field::new("repositories", TEXTS, "Pull specs of the images, those by digest first.").optional(),
            Field::new("builds", List(&Object(KOJI_BUILD)), "Builds in Koji that came out of it.").optional(),
            Field::new("user_warnings", SENTENCES, "What the build service warned about.").optional(),
            Field::new("metadata", TEXTS, "Where metadata was uploaded to, below the hub's work folder.").optional(),
            Field::new("failure", OrNull(&Object(FAILURE)), "Why it failed or was cancelled.").optional(),
        ],
    ),
    Kind::new(
        "error",
        "The last line, where the command could not do what it was asked for. The same is told on standard error.",
        &[
            EXIT_CODE,
            Field::new("kind", ERRORS, "What kind of error; one exit code may stand for several."),
            Field::new("command", Text, "The sub-command, by fedpkg's own name of it."),
            Field::new("message", Words, "What failed."),
            Field::new("causes", SENTENCES, "Why, outermost first."),
            Field::new("hints", SENTENCES, "What to do next."),
            FINDINGS,
            Field::new("build", Object(BUILD), "The build that was, or may have been, created.").optional(),
        ],
    ),
];
