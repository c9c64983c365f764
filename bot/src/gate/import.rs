//! What the operator brings from elsewhere, taken in by the plugin that knows what it is.

use super::{Bot, Plugged};
use commands::cx::{Call, Cx, Who};
use commands::ledger::Place;
use commands::reply::Reply;
use commands::stop::{Result, Stop};
use commands::text;
use tokio::sync::mpsc;

impl Bot {
    /// Takes in the text of a file.
    ///
    /// # Errors
    /// A refusal when no plugin knows it, or as [`commands::plugin::Plugin::import`].
    pub async fn import(&self, what: &str, text: &str) -> Result<Reply> {
        let names = |it: &Plugged| it.plugin.imports().to_vec();
        let Some(plugged) = self.plugins.iter().find(|it| names(it).contains(&what)) else {
            let names: Vec<_> = self.plugins.iter().flat_map(names).collect();
            let instead = match names.as_slice() {
                [] => "No plugin that is on takes anything in: look at the sections of the config.".to_owned(),
                names => format!("Write {}.", text::list(names)),
            };
            return Err(Stop::refuse(format!("{} can not be imported. {instead}", text::code(what))));
        };
        let call = Call::unasked(Who::deckhand(), Place::default());
        // Nobody is there to see how far it is.
        let nobody = mpsc::unbounded_channel().0;
        let cx = Cx::new(self.world.clone(), call, None, nobody, self.stopping().clone());
        plugged.plugin.import(&cx, what, text).await
    }
}
