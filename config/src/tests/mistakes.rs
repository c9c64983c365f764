//! Each mistake in a file, and what is said of it.

use super::told;

#[test]
fn each_mistake_is_told_with_what_to_write() {
    const PEOPLE: &str = "[people.ana]\nroles = [\"lead\"]\nirc = \"ana\"\n";
    let rule = |lines: &str| format!("{PEOPLE}[[policy]]\n{lines}");
    for (text, expected) in [
        ("timezone = \"seoul\"".into(), "1:12: there is no time zone `seoul`; write `Asia/Seoul`"),
        (
            "timezone = \"here\"".into(),
            "1:12: there is no time zone `here`; write one as in `Asia/Seoul`, `Europe/Paris` or `UTC`",
        ),
        ("data = \"\"".into(), "1:8: `` is no path; write a path without control characters"),
        ("environments = []".into(), "1:16: there are no environments; write at least one, or take the line out"),
        ("environments = [\"a\", \"a\"]".into(), "1:22: `a` stands here twice; keep one of them"),
        (
            "environments = \"staging\"".into(),
            "1:16: `environments` is a text, not a list of texts; write `environments = [\"staging\"]`",
        ),
        ("enviroments = [\"a\"]".into(), "1:1: nothing reads `enviroments`; write `environments`, or take it out"),
        (
            "services = 3".into(),
            "1:12: `services` is a number, not a table; write `[services]` and what belongs to it below",
        ),
        (
            "[services]\nhello = \"x\"".into(),
            "2:9: `hello` is a text, not a table; write `[services.hello]` and what belongs to it below",
        ),
        ("[services.Shop]".into(), "1:11: `Shop` can not be the name of a service; write `shop`"),
        (
            "[services.shop]\nabuot = \"x\"".into(),
            "2:1: `[services.shop]` has no setting `abuot`; write `about`, or take it out",
        ),
        (
            "[services.shop]\ndepends_on = [\"bd\", \"shop\"]\n[services.db]".into(),
            "2:15: there is no service `bd`; write `db`\n2:21: it depends on itself; take it out",
        ),
        ("[services.shop]\ndepends_on = [\"shop\"]".into(), "2:15: it depends on itself; take it out"),
        (
            "[services.shop.flags]".into(),
            "1:16: nothing reads `[services.shop.flags]`; write a section `[flags]` too, which turns it on, or take this one out",
        ),
        (
            "[services.shop.deplyo]".into(),
            "1:16: nothing reads `[services.shop.deplyo]`; write `deploy`, or take it out",
        ),
        (
            "[people.аna]".into(),
            "1:9: this is no TOML: invalid unquoted key, expected letters, numbers, `-`, `_`; correct this line",
        ),
        (
            "[people.\"аna\"]".into(),
            "1:9: `аna` can not be the name of a person: it holds U+0430 (looks like `a`); write `ana`",
        ),
        ("[people.everyone]".into(), "1:9: `everyone` stands for all people; choose another name"),
        (
            "[people.ana]\nroles = [\"ana\"]".into(),
            "2:10: `ana` is both a person and a role; choose another name for the role",
        ),
        (
            "[people.ana]\nroles = [\"everyone\"]".into(),
            "2:10: `everyone` is what everyone is, not a role; choose another name for the role",
        ),
        (
            "[people.ana]\ndiscord = 1234".into(),
            "2:11: `discord` is a number, not a text; write it in quotes, `\"1234\"`",
        ),
        (
            "[people.ana]\ndicsord = \"1\"".into(),
            "2:1: there is no platform `dicsord`; write `discord`, or take it out",
        ),
        (
            "[people.ana]\nirc = \" \"".into(),
            "2:7: ` ` can not stand here; write a text that is not empty and has no control characters",
        ),
        (
            format!("{PEOPLE}[people.ben]\nirc = \"ana\""),
            "5:7: on `irc`, `ana` is also the id of `ana`; give every person a different id",
        ),
        (
            format!("{PEOPLE}[roles.boss]\ndiscord = [\"7\"]\n[roles.lead]\ndiscord = [\"8\", \"7\"]"),
            "7:17: on `discord`, `7` is also the id of `boss`; give every role a different id",
        ),
        (
            "[roles.boss]\ndiscord = \"7\"".into(),
            "2:11: `discord` is a text, not a list of texts; write `discord = [\"7\"]`",
        ),
        ("[roles.boss]\nirk = [\"7\"]".into(), "2:1: there is no platform `irk`; write `irc`, or take it out"),
        ("[roles.Boss]".into(), "1:8: `Boss` can not be the name of a role; write `boss`"),
        ("[roles.everyone]".into(), "1:8: `everyone` is what everyone is, not a role; take the table out"),
        (
            "[people.ana]\n[roles.ana]".into(),
            "2:8: `ana` is both a person and a role; choose another name for the role",
        ),
        (
            "[channels.ops]\ndiscord = \"7\"\n[channels.dev]\ndiscord = \"7\"".into(),
            "4:11: on `discord`, `7` is also the id of `ops`; give every channel a different id",
        ),
        (
            "[channels.ops]\nsms = \"7\"".into(),
            "2:1: there is no platform `sms`; take it out, or write one of `discord`, `irc`",
        ),
        ("[channels.ops]\ndiscord = [\"7\"]".into(), "2:11: `discord` is a list, not a text; write `discord = \"…\"`"),
        (rule("deny = \"a\"\nto = [\"lead\"]\ncode = \"15m\""), "7:8: what is denied needs no code; take the line out"),
        (
            rule("allow = \"a\"\nto = [\"lead\"]\ncode = \"30s\""),
            "7:8: a code can not be good for this long; write a time from `1m` to `12h`",
        ),
        (
            "policy = 1".into(),
            "1:10: `policy` is a number, not a list of tables; write `[[policy]]` and what belongs to it below",
        ),
        (
            rule("to = [\"lead\"]"),
            "4:1: this rule neither allows nor denies; write `allow = \"…\"` with a line such as `deploy ship env=staging`",
        ),
        (rule("to = [\"lead\"]\nallow = \"a\"\ndeny = \"b\""), "7:1: one rule both allows and denies; write two rules"),
        (
            rule("deny = \"a\"\nto = [\"lead\"]\nconfirm = true"),
            "7:11: what is denied can not be confirmed; take the line out",
        ),
        (
            rule("allow = \"\"\nto = [\"lead\"]"),
            "5:9: `` can not stand here; write a text that is not empty and has no control characters",
        ),
        (
            rule("deny = \"a\"\nto = [\"lead\"]\napprove = 1"),
            "7:11: what is denied needs no approval; take the line out",
        ),
        (rule("allow = \"a\"\nto = [\"lead\"]\napprove = 0"), "7:11: `approve` is 0; write a number from 1 to 10"),
        (
            rule("allow = \"a\"\nto = [\"lead\"]\nwithin = \"1h\""),
            "7:1: `within` says who approves what, and when, but nobody has to; write `approve = 1`",
        ),
        (
            rule("allow = \"a\"\nto = [\"lead\"]\napprove = 1"),
            "7:11: nobody but ana could approve this, and nobody approves what they ask for; name more people, or roles that more people have, as `approvers`",
        ),
        (
            rule("allow = \"a\"\nto = [\"lead\"]\napprove = 1\napprovers = [\"dan\"]\nwithin = \"8d\"\n[people.dan]\n"),
            "9:10: an approval can not be waited for this long; write a time from `1m` to `7d`",
        ),
        (
            rule("allow = \"a\"\nto = [\"lead\"]\napprove = 2\napprovers = [\"everyone\"]\n[people.dan]\n"),
            "8:13: 2 people have to approve this, and 1 could at most; name more people, or roles that more people have, as `approvers`",
        ),
        (
            rule(
                "allow = \"a\"\nto = [\"lead\"]\napprove = 1\napprovers = [\"guest\"]\n[roles.guest]\ndiscord = [\"7\"]",
            ),
            "8:13: no person of the config could approve this; name more people, or roles that more people have, as `approvers`",
        ),
        (rule("allow = \"a\""), "4:1: `[[policy]]` has no `to`; write `to = [\"everyone\"]`"),
        (rule("allow = \"a\"\nto = []"), "6:6: a rule for nobody never holds; name a role, a person, or `everyone`"),
        (
            rule("allow = \"a\"\nto = [\"operator\"]"),
            "6:7: nobody has the role `operator`, nor is it a person; give it to somebody: `roles = [\"operator\"]` under `[people.…]`",
        ),
        (
            rule("allow = \"a\"\nto = [\"lead\"]\nin = []"),
            "7:6: a rule that holds in no channel never holds; name a channel, or take the line out",
        ),
        (
            rule("allow = \"a\"\nto = [\"lead\"]\nduring = \"9-5\""),
            "7:10: `9-5` is no time of the week; write days and hours as in `Mon-Fri 09:00-18:00`, `Sat,Sun` or `22:00-06:00`",
        ),
        (
            rule("allow = \"a\"\nto = [\"lead\"]\nconfirm = \"true\""),
            "7:11: `confirm` is a text, not `true` or `false`; write it without quotes",
        ),
        (
            rule("allow = \"a\"\nto = [\"lead\"]\nwhen = \"Mon\""),
            "7:1: `[[policy]]` has no setting `when`; take it out, or write one of `allow`, `approve`, `approvers`, `code`, `confirm`, `deny`, `during`, `in`, `to`, `within`",
        ),
        (
            "[console]\nlisten = \"localhost:80\"".into(),
            "2:10: `localhost:80` is no address; write an IP address and a port, as in `127.0.0.1:7878`",
        ),
        (
            "[console]\npublic_url = \"https://example.com/deckhand\"".into(),
            "2:14: it has more than a host and a port; write it as in `https://deckhand.example.com`",
        ),
        (
            "[console]\npublic_url = \"example.com\"".into(),
            "2:14: `example.com` is no web address; write it as in `https://host/path`",
        ),
        ("[hooks]".into(), "1:2: `[hooks]` has no `listen`; write `listen = \"127.0.0.1:7879\"`"),
        (
            "[hooks]\nlisten = \"everywhere\"".into(),
            "2:10: `everywhere` is no address; write an IP address and a port, as in `127.0.0.1:7879`",
        ),
        (
            "[hooks]\nlisten = \"0.0.0.0:7878\"".into(),
            "2:10: the console listens on the port 7878 already, and programs have no business there; write another port, as in `127.0.0.1:7879`",
        ),
        (format!("{PEOPLE}[console]\nspeak_as = [\"anna\"]"), "5:13: there is no person `anna`; write `ana`"),
        (
            "[console]\nchannels = []".into(),
            "2:12: there are no channels; write `channels = [\"ops\"]`, or take the line out",
        ),
        ("[backup]\nkeep = 1.5".into(), "2:8: `keep` is a fraction, not a whole number; write a number from 1 to 365"),
        ("data = \"a\"\ndata = \"b\"".into(), "2:1: `data` is given twice; keep one of them"),
        (
            "data = \"${NO_SUCH}/x\"".into(),
            "1:8: the environment variable `NO_SUCH` is not set; set it before starting Deckhand",
        ),
        ("[\"de\\nploy\\u202e\"]".into(), r"1:2: nothing reads `de\nploy\u{202e}`; write `deploy`, or take it out"),
    ] {
        assert_eq!(told(&text).trim_end(), expected, "{text}");
    }
}
