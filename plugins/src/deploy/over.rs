//! What a deploy goes back over: commits that are live, are not in what is shipped, and change what can not go back.

use super::plan::Plan;
use super::{Deployer, commits};
use commands::act::Act;
use commands::cx::Cx;
use commands::text;

/// How many files are named.
const NAMED: usize = 5;

impl Deployer {
    /// What is asked for, and agreed to. Where it goes back over commits that the config calls unsafe, or nobody can tell,
    /// it is a danger: a yes is asked for, to these very files.
    pub(super) async fn act(&self, cx: &Cx, plan: &Plan<'_>) -> Act {
        let mut act = plan.act();
        if let Some((files, says)) = over(cx, plan).await {
            act.says = format!("{} {says}", act.says);
            act.facts.push(("goes back over", files));
            act.danger = true;
        }
        act
    }
}

/// The files that it goes back over, and a sentence that says so; nothing where it is safe.
async fn over(cx: &Cx, plan: &Plan<'_>) -> Option<(String, String)> {
    let patterns = &plan.service.unsafe_back;
    let live = plan.before.0.as_ref().filter(|live| live.release.commit != plan.release.commit)?;
    if patterns.is_empty() {
        return None;
    }
    let (to, from) = (&*plan.release.commit, &*live.release.commit);
    match commits::files(cx.ports(), &plan.service.repository, to, from, patterns).await {
        Ok(files) if files.is_empty() => None,
        Ok(files) => {
            let named: Vec<_> = files.iter().take(NAMED).map(|file| text::code(file)).collect();
            let more = if files.len() > NAMED { format!(" and {} more", files.len() - NAMED) } else { String::new() };
            let says =
                format!("It goes back over changes of {}{more}, which do not go back with it.", named.join(", "));
            Some((format!("{}{more}", named.join(", ").replace('`', "")), says))
        }
        Err(why) => Some((
            "not known".to_owned(),
            format!("Whether it goes back over what can not go back is not known: {why}."),
        )),
    }
}
