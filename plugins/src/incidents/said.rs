//! What can be said about incidents.

use super::records::Role;
use commands::spec::{ArgSpec, CommandSpec, Effect, Kind};

/// Which incident, behind the words of a command.
const NUMBER: ArgSpec =
    ArgSpec::optional("number", Kind::Integer(1, i64::MAX), "Which incident; the open one if left out");
const NAMED: ArgSpec = NUMBER.by_name();
const SERVICE: ArgSpec = ArgSpec::optional("service", Kind::Service, "Which service");
const ENVIRONMENT: ArgSpec = ArgSpec::optional("env", Kind::Environment, "Where");
const AT: ArgSpec = ArgSpec::optional("at", Kind::Time, "When that was; now if left out").by_name();
const SEVERITY: Kind = Kind::Integer(1, 4);
const YES: Kind = Kind::Choice(&["yes"]);

/// The clocks of an incident, by their words.
pub const CLOCKS: &[&str] = &["started", "detected", "declared", "mitigated", "resolved"];

/// How far people are with it, by their words.
pub const PHASES: &[&str] = &["investigating", "identified", "fixing", "monitoring"];

/// A command about an incident. None of them waits for a deploy that is under way, and no guard is asked.
const AT_ONCE: CommandSpec = CommandSpec { urgent: true, ..CommandSpec::CHANGES };

/// Every command.
pub const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "incident open",
        about: "Open an incident: say what is wrong, and see what changed lately",
        args: &[
            ArgSpec::required("title", Kind::Text, "What is wrong, as people feel it"),
            SERVICE,
            ENVIRONMENT,
            ArgSpec::optional("sev", SEVERITY, "How bad it is, from 1, the worst, to 4"),
            ArgSpec::optional("since", Kind::Time, "Since when people suffer from it"),
            ArgSpec::optional("another", YES, "Open it although there is one already").by_name(),
        ],
        examples: &[
            "incident open nobody can pay service:hello env:production sev:1",
            "incident open title:\"pages are slow\" since:13:40",
        ],
        ..AT_ONCE
    },
    CommandSpec {
        name: "incident list",
        about: "Show the incidents that are open, or all of them",
        args: &[ArgSpec::optional("all", YES, "Those that are over as well"), SERVICE],
        examples: &["incident list", "incident list all:yes"],
        ..CommandSpec::READS
    },
    CommandSpec {
        name: "incident show",
        about: "Show how an incident stands: who does what, its clocks, what is left to do",
        args: &[NUMBER],
        examples: &["incident show", "incident show 41"],
        ..CommandSpec::READS
    },
    CommandSpec {
        name: "incident sev",
        about: "Say how bad an incident is",
        args: &[
            ArgSpec::required("sev", SEVERITY, "From 1, the worst, to 4"),
            ArgSpec::optional("because", Kind::Text, "Why"),
            NAMED,
        ],
        examples: &["incident sev 1", "incident sev 3 because:\"only the preview is down\" number:41"],
        ..AT_ONCE
    },
    CommandSpec {
        name: "incident lead",
        about: "Lead an incident, or let somebody lead it",
        args: &[
            ArgSpec::optional("person", Kind::Person, "Who leads; you if left out"),
            ArgSpec::optional("because", Kind::Text, "Why, where somebody else leads it"),
            NAMED,
        ],
        examples: &["incident lead", "incident lead ben", "incident lead because:\"ana can not be reached\""],
        ..AT_ONCE
    },
    CommandSpec {
        name: "incident handoff",
        about: "Hand the lead of an incident over to somebody else",
        args: &[ArgSpec::required("to", Kind::Person, "To whom"), NAMED],
        examples: &["incident handoff ben", "incident handoff to:ben number:41"],
        ..AT_ONCE
    },
    CommandSpec {
        name: "incident role",
        about: "Say who helps in an incident, and how",
        args: &[
            ArgSpec::required("role", Kind::Choice(Role::WORDS), "What they do"),
            ArgSpec::required("person", Kind::Person, "Who"),
            ArgSpec::optional("remove", YES, "They do it no more").by_name(),
            NAMED,
        ],
        examples: &["incident role scribe dan", "incident role expert ben remove:yes"],
        ..AT_ONCE
    },
    CommandSpec {
        name: "incident affect",
        about: "Say what an incident affects",
        args: &[SERVICE, ENVIRONMENT, ArgSpec::optional("remove", YES, "It does not, after all").by_name(), NAMED],
        examples: &["incident affect hello", "incident affect service:hello env:staging remove:yes"],
        ..AT_ONCE
    },
    CommandSpec {
        name: "incident note",
        about: "Note what happens in an incident: it is posted, and kept in the timeline",
        args: &[ArgSpec::required("text", Kind::Text, "What happened"), AT, NAMED],
        examples: &["incident note the pool is exhausted", "incident note text:\"alerts began\" at:14:02"],
        ..AT_ONCE
    },
    CommandSpec {
        name: "incident update",
        about: "Tell everybody how an incident stands",
        args: &[ArgSpec::required("text", Kind::Text, "How it stands, for those who do not work on it"), NAMED],
        examples: &["incident update paying works again for most; we watch it"],
        ..AT_ONCE
    },
    CommandSpec {
        name: "incident status",
        about: "Say how far you are with an incident",
        args: &[ArgSpec::required("phase", Kind::Choice(PHASES), "How far"), NAMED],
        examples: &["incident status identified", "incident status monitoring number:41"],
        ..AT_ONCE
    },
    CommandSpec {
        name: "incident mitigate",
        about: "Say that nobody suffers from an incident any more",
        args: &[ArgSpec::optional("how", Kind::Text, "What helped"), AT, NAMED],
        examples: &["incident mitigate the rollback helped", "incident mitigate at:14:20"],
        ..AT_ONCE
    },
    CommandSpec {
        name: "incident resolve",
        about: "Say that an incident is over",
        args: &[ArgSpec::optional("how", Kind::Text, "What ended it"), AT, NAMED],
        examples: &["incident resolve the fix is live", "incident resolve at:15:05 number:41"],
        ..AT_ONCE
    },
    CommandSpec {
        name: "incident reopen",
        about: "Say that an incident is not over, or not mitigated, after all",
        args: &[NUMBER, ArgSpec::optional("because", Kind::Text, "Why")],
        effect: Effect::GoesBack,
        examples: &["incident reopen 41 because:\"it is back\""],
        ..AT_ONCE
    },
    CommandSpec {
        name: "incident clock",
        about: "Correct a clock of an incident: when it began, was noticed, ended",
        args: &[
            ArgSpec::required("clock", Kind::Choice(CLOCKS), "Which"),
            ArgSpec::required("at", Kind::Time, "When that was"),
            ArgSpec::required("because", Kind::Text, "How you know"),
            NAMED,
        ],
        examples: &["incident clock started 13:40 because:\"the first 500 in the log\""],
        ..AT_ONCE
    },
    CommandSpec {
        name: "incident timeline",
        about: "Show what happened in an incident, or what may belong there as well",
        args: &[
            NUMBER,
            ArgSpec::optional("candidates", YES, "What stands on the ledger, and not in the timeline"),
            ArgSpec::optional("before", Kind::Text, "Only before this; its button fills it in").by_name(),
            ArgSpec::optional("entry", Kind::Integer(1, i64::MAX), "This entry, whole, with what it said before")
                .by_name(),
        ],
        examples: &["incident timeline", "incident timeline 41", "incident timeline candidates:yes"],
        ..CommandSpec::READS
    },
    CommandSpec {
        name: "incident keep",
        about: "Keep an act of the ledger in the timeline of an incident",
        args: &[
            ArgSpec::required("act", Kind::Integer(1, i64::MAX), "The number of the act"),
            ArgSpec::optional("cause", YES, "It brought the incident about"),
            ArgSpec::optional("remove", YES, "Take it out again; with cause, only that it brought it about").by_name(),
            ArgSpec::optional("instead", Kind::Integer(1, i64::MAX), "With remove: what brought it about instead")
                .by_name(),
            NAMED,
        ],
        examples: &["incident keep 57", "incident keep act:57 cause:yes number:61", "incident keep 57 remove:yes"],
        ..AT_ONCE
    },
    CommandSpec {
        name: "incident quote",
        about: "Keep what somebody said in the timeline, with its time and copies of its files",
        args: &[
            ArgSpec::required("message", Kind::Text, "Which message; the menu of messages fills it in"),
            ArgSpec::optional("remove", YES, "Take it out again").by_name(),
            NAMED,
        ],
        on_message: Some("Add to timeline"),
        examples: &["incident quote message:chat-1298", "incident quote message:chat-1298 remove:yes number:41"],
        ..AT_ONCE
    },
    CommandSpec {
        name: "incident amend",
        about: "Correct the words of an entry of the timeline; the old ones are kept",
        args: &[
            ArgSpec::required("entry", Kind::Integer(1, i64::MAX), "The number of the entry"),
            ArgSpec::required("text", Kind::Text, "The words"),
            NAMED,
        ],
        examples: &["incident amend 63 the pool of the second node is exhausted"],
        ..AT_ONCE
    },
    CommandSpec {
        name: "incident todo",
        about: "Note what an incident leaves to be done, or show that",
        args: &[
            ArgSpec::optional("text", Kind::Text, "What; all are shown if left out"),
            ArgSpec::optional("owner", Kind::Person, "Who does it"),
            ArgSpec::optional("due", Kind::Later, "When it should be done").by_name(),
            ArgSpec::optional("done", Kind::Integer(1, i64::MAX), "The number of what is done").by_name(),
            NAMED,
        ],
        examples: &["incident todo", "incident todo text:\"an alert on the pool\" owner:ben due:friday"],
        ..AT_ONCE
    },
    CommandSpec {
        name: "incident allow",
        about: "Let somebody change what an incident affects, for a while",
        args: &[
            ArgSpec::required("person", Kind::Person, "Who"),
            ArgSpec::optional("service", Kind::Service, "Only this service"),
            ArgSpec::optional("for", Kind::Duration, "For how long; 30 minutes if left out"),
            ArgSpec::optional("end", YES, "They may no more").by_name(),
            NAMED,
        ],
        examples: &["incident allow dan for:20m", "incident allow dan service:hello number:41"],
        ..AT_ONCE
    },
    CommandSpec {
        name: "incident snooze",
        about: "Be reminded of the next update later, or not at all",
        args: &[
            ArgSpec::optional("for", Kind::Duration, "For how long; 30 minutes if left out"),
            ArgSpec::optional("stop", YES, "No more reminders of updates").by_name(),
            NAMED,
        ],
        examples: &["incident snooze", "incident snooze for:1h", "incident snooze stop:yes"],
        ..AT_ONCE
    },
];
