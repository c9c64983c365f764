//! What the drills on chat platforms share: a team of one, with a channel and the service `app`.

/// Their config but for the platform. `{platform}` is its name there; `{ana}` and `{ops}` are ids on it.
pub const TEAM: &str = r##"
environments = ["staging"]
data = "{data}"

[people.ana]
roles = ["deployer"]
{platform} = "{ana}"

[[policy]]
allow = "*"
to = ["deployer"]

[console]
listen = "{listen}"
channels = ["ops"]

[channels.ops]
{platform} = "{ops}"

[deploy]
grace = "1s"

[services.app]
repository = "app"

[services.app.deploy]
command = ["./ship.sh", "{commit}"]
limit = "1m"
health = { url = "{health}", contains = "{commit}", tries = 2, pause = "1s" }
"##;

/// A config with what stands in braces filled in.
pub fn filled(config: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(config.to_owned(), |config, (name, value)| config.replace(&format!("{{{name}}}"), value))
}
