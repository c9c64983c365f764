use super::template::filled;
use super::*;
use crate::deploy::params::{Known, Params};
use crate::deploy::records::{Release, Target};
use crate::deploy::settings::Names;
use http::Method;
use std::collections::BTreeMap;

const NAMES: Names<'_> = Names {
    service: "hello",
    environment: "staging",
    commit: "abc",
    reference: "a/../b?x=\"}&{commit}",
    host: None,
    colour: None,
    weight: None,
    artifact: None,
    params: &Params::new(),
    known: &Known::NONE,
};

#[test]
fn what_is_put_into_an_address_can_not_change_its_shape() {
    for (url, is) in [
        ("https://x/{commit}/{id}", "https://x/abc/7%2F..%2F8"),
        ("https://x/?ref={ref}&e={environment}", "https://x/?ref=a%2F..%2Fb%3Fx%3D%22%7D%26%7Bcommit%7D&e=staging"),
    ] {
        let template = Template { method: Method::GET, url: url.to_owned(), headers: BTreeMap::new(), body: None };
        assert_eq!(template.address(&NAMES, "7/../8"), is);
    }
}

#[test]
fn what_is_put_into_json_stays_within_its_text() {
    let body = serde_json::json!({ "ref": "{ref}", "id": "{id}", "list": [1, "{commit}!"] });
    let full = filled(&body, &|text| if text == ID { "7\"".to_owned() } else { NAMES.fill(text) });
    assert_eq!(full, serde_json::json!({ "ref": NAMES.reference, "id": "7\"", "list": [1, "abc!"] }));
}

#[test]
fn one_act_ships_under_as_many_keys_as_it_ships() {
    let target = Target { service: "hello".to_owned(), environment: "staging".to_owned() };
    let release = |level: &str, artifact: Option<&str>| Release {
        commit: "2".repeat(40),
        reference: "v2".to_owned(),
        params: [("level".to_owned(), level.to_owned())].into(),
        artifact: artifact.map(str::to_owned),
    };
    let (debug, info, built) = (release("debug", None), release("info", None), release("debug", Some("sha256:a")));
    let work = Work {
        act: 7,
        target: &target,
        repository: "/srv/hello",
        release: &debug,
        known: &Known::NONE,
        hosts: Vec::new(),
        colour: None,
        back: false,
        log: String::new(),
        limit: Duration::ZERO,
        grace: Duration::ZERO,
    };
    let others = [
        Work { release: &info, ..work.clone() },
        Work { release: &built, ..work.clone() },
        Work { colour: Some("blue"), ..work.clone() },
        Work { back: true, ..work.clone() },
    ];
    let keys: std::collections::BTreeSet<_> =
        others.iter().chain([&work]).map(|work| work.key("aaaa")).chain([work.key("bbbb")]).collect();
    assert_eq!((keys.len(), work.key("aaaa")), (6, work.clone().key("aaaa")));
}
