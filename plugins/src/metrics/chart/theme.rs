//! Colours and dashes that tell lines apart on a bright screen, on a dark one, and for the colour-blind.

/// The font's family, which is the one that is loaded.
pub const FONT: &str = "NanumSquare";

/// The colours of a picture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Theme {
    /// Dark on white.
    #[default]
    Light,
    /// Light on nearly black.
    Dark,
}

/// The colours of everything but the lines.
pub struct Colours {
    /// Behind all.
    pub ground: &'static str,
    /// Words that matter.
    pub ink: &'static str,
    /// Words beside them, and the line to compare with.
    pub muted: &'static str,
    /// The lines of the grid.
    pub grid: &'static str,
    /// What is bad.
    pub bad: &'static str,
    /// What needs a look.
    pub warn: &'static str,
    /// The lines', in their order.
    lines: [&'static str; MOST],
}

/// The most lines that can be told apart.
pub const MOST: usize = 5;

/// How each line is dashed, so that nobody needs its colour.
const DASHES: [&str; MOST] = ["", "7 3", "2 2.5", "9 3 2 3", "4 2"];

/// How the line to compare with is dashed.
pub const FAINT: &str = "3 3";

// Okabe and Ito's colours, whose neighbours differ in brightness too, each taken where it stands out from the ground.
static LIGHT: Colours = Colours {
    ground: "#ffffff",
    ink: "#1f2328",
    muted: "#6a737d",
    grid: "#e4e7eb",
    bad: "#c62828",
    warn: "#b26a00",
    lines: ["#0072b2", "#d55e00", "#00795a", "#a8507f", "#3d3d3d"],
};

static DARK: Colours = Colours {
    ground: "#1e1f22",
    ink: "#eceef1",
    muted: "#9da5b0",
    grid: "#34373c",
    bad: "#ff6b5e",
    warn: "#ffb84d",
    lines: ["#56b4e9", "#f28e2b", "#2fc99a", "#e79ac4", "#f0e442"],
};

impl Theme {
    /// Its colours.
    pub fn colours(self) -> &'static Colours {
        match self {
            Theme::Light => &LIGHT,
            Theme::Dark => &DARK,
        }
    }
}

impl Colours {
    /// The colour of a line, and how it is dashed.
    pub fn line(&self, number: usize) -> (&'static str, &'static str) {
        let number = number % MOST;
        (self.lines[number], DASHES[number])
    }
}
