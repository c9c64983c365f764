//! The page: a few files, part of the program.

/// A file of the page: its path, its type, and what is in it.
pub type Asset = (&'static str, &'static str, &'static str);

const JS: &str = "text/javascript; charset=utf-8";

/// What the browser may load and do: nothing from anywhere else, nothing inline.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                          font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The demo's sites come from the same address as the page: to the browser they are strangers all the same.
pub const DEMO_POLICY: &str = "sandbox allow-scripts";

/// All of them.
pub const ASSETS: &[Asset] = &[
    ("/", "text/html; charset=utf-8", include_str!("page/index.html")),
    ("/style.css", "text/css; charset=utf-8", include_str!("page/style.css")),
    ("/icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
    // Browsers ask for this by themselves for pages that name no icon, as the demo's.
    ("/favicon.ico", "image/svg+xml", include_str!("page/icon.svg")),
    ("/advice.js", JS, include_str!("page/advice.js")),
    ("/api.js", JS, include_str!("page/api.js")),
    ("/completion.js", JS, include_str!("page/completion.js")),
    ("/composer.js", JS, include_str!("page/composer.js")),
    ("/conversation.js", JS, include_str!("page/conversation.js")),
    ("/dom.js", JS, include_str!("page/dom.js")),
    ("/help.js", JS, include_str!("page/help.js")),
    ("/log.js", JS, include_str!("page/log.js")),
    ("/main.js", JS, include_str!("page/main.js")),
    ("/message.js", JS, include_str!("page/message.js")),
    ("/people.js", JS, include_str!("page/people.js")),
    ("/reply.js", JS, include_str!("page/reply.js")),
    ("/theme.js", JS, include_str!("page/theme.js")),
];
