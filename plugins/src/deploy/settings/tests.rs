//! What the config may say about deploys, and what it is told instead.

use super::*;
use commands::vocabulary::Vocabulary;
use std::path::Path;

#[test]
fn placeholders_are_filled_once_and_other_braces_stay() {
    let known = known();
    let names = Names {
        service: "hello",
        environment: "staging",
        commit: "abc",
        reference: "{commit}",
        host: None,
        colour: None,
        artifact: None,
        weight: None,
        params: &Params::from([("level".to_owned(), "{ref}".to_owned())]),
        known: &known,
    };
    let cases = [
        ("", ""),
        ("{service}/{environment}", "hello/staging"),
        ("{ref}", "{commit}"),
        ("{\"ok\": true, \"at\": \"{commit}\"}", "{\"ok\": true, \"at\": \"abc\"}"),
        ("{nothing} {", "{nothing} {"),
        ("{level}/{count}", "{ref}/0"),
    ];
    for (text, filled) in cases {
        assert_eq!(names.fill(text), filled, "{text}");
    }
}

/// What is wrong with a service whose `deploy` section is this, beside what a section `[deploy.github]` says.
fn told(github: &str, deploy: &str) -> Vec<String> {
    let text = format!(
        "environments = [\"staging\"]\n[deploy]\n{github}\n[services.hello]\nrepository = \"/srv/hello\"\n[services.hello.deploy]\n{deploy}"
    );
    let (config, problems) = config::parse(&text, "x", Path::new("/srv"), &|_| None);
    Settings::read(&Setup { name: "deploy", config: &config, problems: problems.clone() });
    let all = problems.to_string();
    all.lines().map(|line| line.splitn(4, ':').last().unwrap_or_default().trim().to_owned()).collect()
}

#[test]
fn each_driver_says_what_is_wrong_with_its_part_and_nothing_more() {
    let github = "[deploy.github]\ntoken = \"t\"";
    let at_github = |more: &str| format!("driver = \"github\"\ngithub = \"a/b\"\nworkflow = \"d.yml\"\n{more}");
    let by_http = |more: &str| format!("driver = \"webhook\"\nstart = {{ url = \"https://x/\" }}\n{more}");
    let polled = "poll = { url = \"https://x/{id}\", good = [\"ok\"], failed = [\"no\"] }\n";
    let command = "command = [\"./ship\"]";
    for (github, deploy, says) in [
        ("", command.to_owned(), vec![]),
        ("", "driver = \"gitlab\"\nproject = \"x\"".to_owned(), vec!["`gitlab` is no `driver`; write `github`"]),
        ("", "driver = \"command\"".to_owned(), vec!["has no `command`"]),
        ("", "command = [\"./ship\", \"{commmit}\"]".to_owned(), vec!["nothing stands for `{commmit}`"]),
        (
            "",
            "driver = \"ssh\"".to_owned(),
            vec!["has no `command`", "which keys of hosts are believed", "no target in `staging` to reach by ssh"],
        ),
        ("", "driver = \"ansible\"".to_owned(), vec!["has no `inventory`", "has no `playbook`"]),
        (
            "",
            "driver = \"github\"".to_owned(),
            vec!["has no `workflow`", "write `github = \"owner/name\"`", "write a section `[deploy.github]`"],
        ),
        (github, at_github(""), vec![]),
        (github, at_github("").replace("a/b", "acme"), vec!["this is no repository's name"]),
        (github, at_github("").replace("d.yml", "x/d.yml"), vec!["this is no workflow's file; write its name alone"]),
        (github, at_github("inputs = { x = \"{comit}\" }"), vec!["nothing stands for `{comit}`"]),
        (github, at_github("branches = \"main\""), vec!["no setting `branches`; write `branch`"]),
        (
            "[deploy.github]\ntoken = \"t\"\napi = \"http://ghe.example\"",
            command.to_owned(),
            vec!["the token would be sent for everybody to read"],
        ),
        (
            "[deploy.github]\ntoken = \"t\"\nsecret = \"short\"",
            command.to_owned(),
            vec!["write a section `[hooks]`", "a secret of fewer than 16 characters can be guessed"],
        ),
        ("", "driver = \"webhook\"".to_owned(), vec!["`poll` does not say how", "`start` does not say how"]),
        ("", by_http(""), vec!["`poll` does not say how it is asked"]),
        ("", by_http("poll = { url = \"https://x/\" }"), vec!["has no `failed`", "has no `good`"]),
        ("", by_http(polled), vec![]),
        (
            "",
            by_http(&format!("{polled}cancel = {{ url = \"ftp://x\", method = \"KILL\" }}")),
            vec!["`ftp://x` is no web address", "`KILL` is no `method`; write one of `GET`, `POST`"],
        ),
        (
            "",
            format!(
                "{polled}driver = \"webhook\"\nstart = {{ url = \"https://x/{{id}}\", body = \"{{\", id = \"id\" }}"
            ),
            vec!["nothing stands for `{id}`", "this is no JSON", "this is no JSON pointer; write `id = \"/a/b\"`"],
        ),
    ] {
        let told = told(github, &deploy);
        let right = told.len() == says.len() && says.iter().zip(&told).all(|(says, told)| told.contains(says));
        assert!(right, "{github}\n{deploy}\n{told:#?}");
    }
}

/// Two params: `level`, which has to be given, and `count`.
fn known() -> Known {
    let text =
        "[deploy.params]\nlevel = { kind = \"text\", required = true }\ncount = { kind = \"integer\", default = 0 }";
    let (config, problems) = config::parse(text, "x", Path::new("/srv"), &|_| None);
    let section = config.section("deploy", &problems).unwrap();
    Known::read(&section, &PLACEHOLDERS, &Vocabulary::of(&config))
}
