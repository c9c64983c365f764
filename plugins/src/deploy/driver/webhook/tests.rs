use super::*;
use crate::deploy::params::{Known, Params};

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
