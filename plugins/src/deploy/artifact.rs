//! The artifact of a release: what was built of its commit, as its driver names it. What goes on to the next environment has
//! to be the very same.

use super::Deployer;
use super::driver::{Driver, Handle, Unsaid, Work};
use super::order::before;
use super::plan::Way;
use super::records::{Deploy, Progress, Release, Target, history};
use super::settings::Service;
use commands::cx::{Cx, Ports};
use commands::stop;
use commands::text;

/// How many of an environment's last deploys are looked through.
const LOOKED_AT: usize = 200;

/// The longest name of an artifact: a digest has 71 letters, an image with its registry twice that.
const LONGEST: usize = 300;

/// The artifact that a text names, where it does: one word of plain letters.
pub fn named(text: &str) -> Option<String> {
    let text = text.trim();
    let good = !text.is_empty() && text.len() <= LONGEST && text.bytes().all(|byte| byte.is_ascii_graphic());
    good.then(|| text.to_owned())
}

/// Writes down in `release` which artifact the work has shipped, once it has ended well.
///
/// # Errors
/// When it is another one than was live and well before, or when it does not say which, and should. What goes back is taken
/// as it is, and none is written down where none was said: the way out stays open.
pub async fn take(
    ports: &Ports,
    driver: &dyn Driver,
    work: &Work<'_>,
    handle: Option<&Handle>,
    way: Way,
    release: &mut Release,
) -> Result<(), Unsaid> {
    let shipped = match driver.artifact(ports, work, handle).await {
        Ok(Some(shipped)) => shipped,
        Err(why) if way == Way::Forward => return Err(why),
        Ok(None) | Err(_) => {
            release.artifact = None;
            return Ok(());
        }
    };
    match &release.artifact {
        Some(wanted) if *wanted != shipped && way == Way::Forward => Err(Unsaid::Never(format!(
            "It has shipped the artifact {}, and not {}, which it was to ship",
            text::code(&shipped),
            text::code(wanted)
        ))),
        _ => {
            release.artifact = Some(shipped);
            Ok(())
        }
    }
}

impl Deployer {
    /// The release with the artifact that has proven itself in the environment before, where the config wants that order.
    pub(super) async fn proven(
        &self,
        cx: &Cx,
        service: &Service,
        target: &Target,
        release: Release,
    ) -> stop::Result<Release> {
        let Some(first) = before(service, &target.environment).filter(|_| self.settings.in_order) else {
            return Ok(Release { artifact: None, ..release });
        };
        let earlier = Target { service: target.service.clone(), environment: first.to_owned() };
        let deploys = history(cx.store(), &earlier, LOOKED_AT).await?.into_iter();
        let good = |deploy: &Deploy| matches!(deploy.state, Progress::Good { .. });
        let mut same = deploys.filter(|deploy| good(deploy) && deploy.release.commit == release.commit);
        Ok(Release { artifact: same.find_map(|deploy| deploy.release.artifact), ..release })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_artifact_is_one_plain_word() {
        let long = "a".repeat(LONGEST + 1);
        for (text, is) in [
            (" sha256:abc ", Some("sha256:abc")),
            ("registry.example/hello@sha256:abc", Some("registry.example/hello@sha256:abc")),
            ("", None),
            ("two words", None),
            ("sha256:\u{202e}abc", None),
            (&*long, None),
        ] {
            assert_eq!(named(text).as_deref(), is, "{text}");
        }
    }
}
