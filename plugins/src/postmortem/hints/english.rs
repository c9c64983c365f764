//! What is looked for in English.

use super::Looks::{AtActions, ButLuck, Everywhere};
use super::{Language, Rule};
use std::ops::Range;

/// What is asked where a word judges.
pub const JUDGES: &str = "Which figure shows how bad it was? It says more than this word.";

const SHOWED: &str = "What did the tool show at that moment?";

pub const LANGUAGE: Language = Language { rules: RULES, people: PEOPLE, person: PERSON, acts };

/// Words for people. `they` is none: replicas are `they`, too.
const PEOPLE: &str = r"(?:(?-u:\b)(?:engineers?|operators?|developers?|administrators?|admins?|dbas?|sres?|on-?call(?:er|s)?|responders?|deployers?|reviewers?|authors?|employees?|contractors?|interns?|managers?|leads?|hires?|colleagues?|teammates?|people|person|someone|somebody|agents?|team|teams|s?he|we|i|you{own})(?-u:\b)|@[a-z][\w.-]*\w)";

/// Somebody, and what may stand between them and what they do.
const PERSON: &str = r"(?P<who>{people})(?:\s+(?:on call|on duty|on shift|in charge|then|also|again|first|later|had|has|have|was|were|(?:of|from|on) the \w+(?: \w+)?|at \w+|(?:simpl|repeated|complete|apparent|probab)\w*ly|both))*";

const RULES: &[Rule] = &[
    Rule {
        name: "blame",
        finds: r"{person}(?:\s+(?:(?:failed|forgot|neglected)\s+to|forgot|(?:did\s?n[o’']t|did not)\s+(?:check|notice|test|follow|verify|reali[sz]e|read|escalate|ask|look)|never\s+(?:checked|noticed|tested|followed|verified|reali[sz]ed|read|escalated|asked|looked)|ignored|overlooked|missed\s+(?:the|an?|this|that|it|\w+ing|two|three|several|both)|broke|caused|(?:accident|mistaken|inadvertent|careless|unintention|incorrect|wrong)\w*ly)\b|\s[^,.;:]{1,80}?\s(?:but|and)\s+(?:failed|forgot|neglected)\s+to\b)",
        unless: r"\b(?:forgot|ignored|overlooked)\s+nothing\b|\b(?:because|since|so\s+that)\b|\bbroke\s+(?:(?:the|that|this)\s+)?(?:dependency|link|loop|cycle|tie|connection|down|off|out|into|up|even)\b",
        looks: Everywhere,
        asks: SHOWED,
        instead: &[
            // A sentence with a further verb can not be turned round as a whole.
            (
                r"^.*\b(?:failed|forgot|neglected|ignored|overlooked|missed|did\s?n[o’']t|did not)\b.*\b(?:and|but|or|then|so)\s+(?:\w+ly\s+|then\s+)?(?:should|could|would|might|had|has|did|was|were|is|are|went|took|made|ran|left|put|let|set|got|kept|sent|lost|\w+ed)\b.*$|^.*\b(?:but|and)\s+(?:failed|forgot|neglected)\s+to\b.*$",
                "$0",
            ),
            (
                r"^.*?\b(?:failed|forgot|neglected)\s+to\s+(?:notice|reali[sz]e|see)\s+that\s+(.+?)([.!]?)$",
                "Nothing at that moment showed that $1$2",
            ),
            (r"^.*?\b(?:failed|forgot|neglected)\s+to\s+(.+?)([.!]?)$", "Nothing at that moment asked anyone to $1$2"),
            (r"^.*?\bforgot\s+that\s+(.+?)([.!]?)$", "Nothing at that moment showed that $1$2"),
            (
                r"^.*?\b(?:did\s?n[o’']t|did not)\s+(?:notice|reali[sz]e)\s+that\s+(.+?)([.!]?)$",
                "Nothing at that moment showed that $1$2",
            ),
            (
                r"^.*?\b(?:did\s?n[o’']t|did not)\s+((?:check|test|follow|verify|read|escalate|ask|look)\b.*?)([.!]?)$",
                "Nothing at that moment asked anyone to $1$2",
            ),
            (r"^.*?\b(?:ignored|overlooked)\s+(.+?)([.!]?)$", "At that moment, ${1} did not stand out$2"),
            (r"^.*?\bmissed\s+(.+?)([.!]?)$", "At that moment, ${1} did not stand out$2"),
            (r"\s*\b(?:accident|mistaken|inadvertent|careless|unintention|incorrect|wrong)\w*ly\b", ""),
            (r"^(?:(?:the|an?|our|one)\s+)?(?:[\w-]+\s+)?{people}\s+(broke|caused)\b", "A change $1"),
        ],
    },
    Rule {
        name: "blame",
        finds: r"\b(?:accidentally|mistakenly|inadvertently|carelessly)\s+\w+\s+by\s+(?:(?:the|an?|our|one)\s+)?(?:[\w-]+\s+){0,2}?{people}",
        unless: r"\bby\s+(?:the|an?)\s+(?:[\w-]+\s+)?(?:job|script|tool|bot|service)\b",
        looks: Everywhere,
        asks: SHOWED,
        instead: &[(r"\b(?:accidentally|mistakenly|inadvertently|carelessly)\s+(\w+)\s+by\s+.+?([.!]?)$", "$1$2")],
    },
    Rule {
        name: "human-error",
        finds: r"\b(?:human|operator|user|pilot|manual)\s+error\b",
        unless: r"\b(?:prevent|reduc|avoid|against|guard|less|fewer|catch|protect|symptom)\w*|\b(?:no|not|any|never|neither|without)\s+(?:\w+\s+){0,2}(?:human|operator|user|pilot|manual)\s+error|\b(?:assumed|suspected)\s+(?:it\s+(?:was|to\s+be)\s+)?(?:an?\s+)?(?:human|operator|user)|\b(?:returned|returns|http|status)\b",
        looks: Everywhere,
        asks: "What made this action easy, and its effect invisible?",
        instead: &[(
            r"\b(?:an?\s+)?(?:human|operator|user|pilot|manual)\s+error\b",
            "an action whose effect the tools did not show",
        )],
    },
    Rule {
        name: "fault",
        finds: r"\b(?:is|are|was|were)\s+to\s+blame\b|\bat\s+fault\b|\w['’]s\s+fault\b|\bblame\s+lies\b|\bblames?\s+(?:the\s+|an?\s+|our\s+)?(?:[\w-]+\s+)?{people}|\bblames?\s+(?:\w+\s+){1,3}on\s+(?:the\s+|an?\s+|our\s+)?(?:[\w-]+\s+)?{people}",
        unless: r"\b(?:kernel|page|memory)['’]s\s+fault\b|\bfault\s+(?:handler|injection|tolerance)|(?:\bnot|n[’']t|\bnobody|\bno\s+one|\bassum\w+)\s+(?:\w+\s+){0,3}?(?:to\s+blame|at\s+fault)",
        looks: Everywhere,
        asks: "What led there? Two contributing factors say more than whose fault it was.",
        instead: &[],
    },
    Rule {
        name: "judgement",
        finds: r"\b(?:careless(?:ly|ness)?|negligen(?:t|tly|ce)|incompeten(?:t|tly|ce)|slopp(?:y|ily)|lazily|lazy|reckless(?:ly)?|stupid(?:ly)?|ridiculous|ignoran(?:t|ce)|complacen(?:t|cy))\b",
        unless: r"\blazy[ -](?:load|eval|init|import|delet|consum|copy|path|conn|fetch|write|sync|bind|instant|alloc|expir)\w*|\w[ -]?ignorant-\w|\bignorant-\w|\breckless\s+(?:retr|loop|client)\w*",
        looks: Everywhere,
        asks: JUDGES,
        instead: &[
            (r"\b(?:careless|negligent|incompetent|slopp|reckless|stupid|ridiculous)(?:ly|ily)\b\s*", ""),
            (
                r"\b(the|this|that|our|['’]s)\s+(?:careless|negligent|incompetent|sloppy|lazy|reckless|stupid|ridiculous)\s+(\w)",
                "$1 $2",
            ),
            (
                r"\ban?\s+(?:careless|negligent|incompetent|sloppy|lazy|reckless|stupid|ridiculous)\s+(change|deploy|commit|test|way|manner|default|restart|switch|move)",
                "a $1",
            ),
        ],
    },
    Rule {
        name: "counterfactual",
        finds: r"(?:{person}|(?-u:\b)they)\s+(?:(?:should|could|ought\s+to)(?:n[’']t|\s+not)?(?:\s+at\s+least|\s+also|\s+\w+ly)?\s+have\s+(?:\w+ly\s+|also\s+|at\s+least\s+)?(?:\w+ed|done|known|seen|taken|gone|made|caught|found|had|told|run|got|gotten|given|come|thought|kept|left|set|put|read|written|said|shown|built|broken|held|understood|led|sent|spent|brought|chosen|cut|let|met|reset|rebuilt|foreseen)\b|needed\s+to\s+have\b)|\bif\s+only\s+(?:the\s+|an?\s+|our\s+)?(?:{people}|they\b|there\s+had)|^had\s+(?:the\s+|an?\s+)?(?:\w+\s+)?(?:{people}|they\b)",
        unless: r"\b(?:have|had)\s+been\b|\b(?:attacker|adversar|intruder|hacker)",
        looks: ButLuck,
        asks: "What was known at that time, and by whom? Tell what happened, as it happened.",
        instead: &[
            (r"\b(?:should|could|ought\s+to)(?:n[’']t|\s+not)\s+have\b", "had"),
            (r"\b(?:should|ought\s+to|needed\s+to)\s+have\b", "had not"),
        ],
    },
    Rule {
        name: "why-who",
        finds: r"^(?:and\s+|so\s+|but\s+)?(?:why\s+did(?:n[’']t|\s+not)?\s+(?:they\b|(?:the\s+|an?\s+|our\s+)?(?:[\w-]+\s+)?{people})|who\s+(?:did|broke|approved|deployed|merged|pushed|caused|changed|deleted|restarted|wrote)\b)",
        unless: "",
        looks: Everywhere,
        asks: "\"Why\" and \"who\" make people defend themselves. How did it come about? What made it the natural thing to do?",
        instead: &[
            (r"^(?:and\s+|so\s+)?why\s+did(?:n[’']t|\s+not)\s+(\S+)\s+(.+)$", "What made it hard for $1 to $2"),
            (r"^(?:and\s+|so\s+)?why\s+did\s+(\S+)\s+not\s+(.+)$", "What made it hard for $1 to $2"),
            (r"^(?:and\s+|so\s+)?why\s+did\s+((?:the\s+)?\S+)\s+(.+)$", "What led $1 to $2"),
            (r"^who\s+broke\s+(.+?)(\?*)$", "What happened to $1$2"),
            (
                r"^who\s+(approved|deployed|merged|pushed|caused|changed|deleted|restarted)\s+(.+?)(\s(?:on|in|to|at|without|before|after)\s.+?)?(\?*)$",
                "How was $2 $1$3$4",
            ),
        ],
    },
    Rule {
        name: "people-fix",
        finds: r"^(?:be\s+more\s+careful|pay\s+(?:more\s+)?attention|remember\s+to|remind\b|train\s+(?:engineers|people|the\s+team|staff|operators|developers|everyone|everybody|humans|users)|educate\b|double-?\s?check|make\s+sure\s+(?:that\s+)?(?:people|engineers|everyone|everybody|the\s+team|developers|operators))|{people}\s+should\s+(?:be\s+(?:more\s+)?careful|pay\s+(?:more\s+)?attention|remember)",
        unless: r"^make\s+sure\b.*\b(?:gets?|is|are|has|have|receives?)\s+(?:access|\w+ed|an?\s)",
        looks: AtActions,
        asks: "People will be as careful as they were. What could the system do instead?",
        instead: &[
            (r"^be\s+more\s+careful\s+(?:with|about|when)\s+(.+?)(\.?)$", "Make $1 hard to get wrong$2"),
            (r"^pay\s+(?:more\s+)?attention\s+to\s+(.+?)(\.?)$", "Alert on $1$2"),
            (
                r"^(?:remember|remind\s+(?:\w+\s+)?(?:\w+\s+)?to|train\s+(?:the\s+)?\w+\s+to)\s+(?:to\s+)?(.+)$",
                "Let the tool $1",
            ),
            (r"^double-?\s?check\s+(.+?)(\.?)$", "Let the tool check $1$2"),
            (r"^make\s+sure\s+(?:that\s+)?(?:the\s+)?\w+\s+(.+)$", "Let the tool $1"),
        ],
    },
    Rule {
        name: "vague",
        finds: r"^(?:improve|investigate|look\s+into|fix\s+(?:the|this)\s+(?:issue|problem|bug)|consider|enhance|optimi[sz]e|rework|harden|make\b.*\b(?:better|more\s+\w+|faster|safer))\b",
        unless: r"\d|\b(?:until|so that|by|within|when)\b|\bwith\s+an?\b",
        looks: AtActions,
        asks: "How will you know that it is done? Name a figure or something that one can look at.",
        instead: &[],
    },
    Rule {
        name: "root-cause",
        finds: r"\bthe\s+(?:(?:primary|main|underlying|true|real|actual|ultimate)\s+)?root\s+cause\b",
        // Whoever still looks for it, or has found several things, says nothing of one cause.
        unless: r"\b(?:no|not|never|instead\s+of|rather\s+than|whatever|into|with|for|about)\s+(?:\w+\s+)?the\s+root\s+cause\b|\b(?:identify|find|determin|understand|address|investigat|establish|examin|isolat|diagnos|fix|search|acknowledg|explain|describ|discuss|explor)(?:e|es|s|ing)?\s+(?:(?:out|for|into|of)\s+)?the\s+(?:\w+\s+)?root\s+cause\b|\b(?:issues|causes|factors|reasons|bugs|problems)\b.*\bthe\s+root\s+cause\b|\broot\s+cause\b.{0,60}\b(?:unknown|unclear|not\s+(?:\w+\s+)?(?:known|clear|found|identified|determined|prioriti[sz]ed)|combination|several|multiple|factors|interaction|interplay)\b",
        looks: Everywhere,
        asks: "What else had to be as it was? There are at least two contributing factors.",
        instead: &[(
            r"\bthe\s+(?:(?:primary|main|underlying|true|real|actual|ultimate)\s+)?root\s+cause\b",
            "one contributing factor",
        )],
    },
    Rule {
        name: "outage",
        // Less than half.
        finds: r"\boutage\b.*(?:^|[^\d.])[1-4]?\d(?:\.\d+)?\s?(?:%|per\s?cent\b)|(?:^|[^\d.])[1-4]?\d(?:\.\d+)?\s?(?:%|per\s?cent\b).*\boutage\b",
        unless: r"\b(?:partial|during|after|before|since)\b",
        looks: Everywhere,
        asks: "Was it an outage, if most of it worked? The share says it better.",
        instead: &[(r"\ban\s+outage\b", "a degradation"), (r"\boutage\b", "degradation")],
    },
    Rule {
        name: "hindsight",
        finds: r"(?:^|,\s*)clearly(?:,|\s+(?:the|this|that|these|those|an?|our|we|it|they|there|nobody)\b)|(?:^|,\s*)(?:obviously|of\s+course\s|in\s+hindsight|in\s+retrospect|looking\s+back|as\s+everyone\s+knows|needless\s+to\s+say)\b|(?:^|,\s*)of\s+course[,\s]+\w|\b(?:was|is|were)\s+\(?(?:clearly|obviously)\b|\b(?:just|simply)\s+had\s+to\b",
        unless: r"\bclearly\s+(?:labell?ed|marked|named)\b",
        looks: Everywhere,
        asks: "Was it plain at that moment, or only now that one knows how it ended?",
        instead: &[
            (
                r"^(?:obviously|of\s+course|clearly|in\s+hindsight|in\s+retrospect|looking\s+back|as\s+everyone\s+knows|needless\s+to\s+say),?\s+",
                "",
            ),
            (r"\b(was|is|were)\s+(?:clearly|obviously)\b", "$1"),
        ],
    },
    Rule {
        name: "animated",
        // Two words in capitals are as often what programs are told, or called: only those that people shout.
        finds: r"!{3,}|(?-i:\b(?:TOTAL|COMPLETE|EVERYTHING|NOTHING|NOBODY|EVERYONE|NEVER|ALWAYS|DOWN|AGAIN|STILL|VERY|HUGE|ENTIRE|WHOLE)\s+[A-Z]{4,}\b|\b[A-Z]{4,}\s+(?:EVERYTHING|NOTHING|NOBODY|EVERYONE|AGAIN|DISASTER|NOW|EVER)\b)",
        unless: "",
        looks: Everywhere,
        asks: "Which figure says this without raising its voice?",
        instead: &[(r"(?-i:\b[A-Z]{4,}\s+[A-Z]{4,}\b)", "$0"), (r"!{3,}", ".")],
    },
];

/// Words behind which somebody is spoken of, without doing anything; and what makes a tool of a word for people.
const NO_SUBJECT: &[&str] = &[
    "for",
    "to",
    "by",
    "of",
    "with",
    "from",
    "that",
    "which",
    "at",
    "on",
    "than",
    "between",
    "about",
    "kubernetes",
    "k8s",
    "postgres",
    "user",
    "no",
];

/// Whether a word speaks of doing something to whoever follows: `appointing a manager could have helped`.
fn is_doing(word: &str) -> bool {
    word.len() > 5 && word.ends_with("ing") && !matches!(word, "morning" | "evening")
}

/// Walks back from the person to the beginning of what names them: `for the second engineer` does nothing.
fn acts(sentence: &str, who: Range<usize>, end: usize) -> bool {
    let noun = sentence[who.clone()].to_lowercase();
    let mut words = sentence[..who.start].split_whitespace().rev().map(str::to_lowercase);
    // A database's operator is a program; its administrator is a person.
    let program = |word: &str| {
        let names = match noun.trim_end_matches('s') {
            "operator" => &["database", "cluster", "mysql", "prometheus", "kafka"][..],
            "agent" => &["monitoring", "build", "log", "backup", "node"],
            "manager" => &["lease", "package", "transaction", "swarm", "cluster", "network", "session", "connection"],
            _ => &[],
        };
        names.contains(&word)
    };
    let article = |word: &str| matches!(word, "the" | "a" | "an" | "our" | "one" | "this" | "another");
    for _ in 0..3 {
        let Some(word) = words.next() else { break };
        if article(&word) {
            return words.next().is_none_or(|before| !NO_SUBJECT.contains(&before.as_str()) && !is_doing(&before));
        }
        if word.ends_with([',', ';', ':']) {
            break;
        }
        if NO_SUBJECT.contains(&word.as_str()) || program(&word) {
            return false;
        }
    }
    end > who.end
}
