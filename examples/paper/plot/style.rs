//! Colours that readers with a colour vision deficiency tell apart, and marks.

/// Red, green, blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Color(pub u8, pub u8, pub u8);

impl Color {
    /// Text, frames, and the exact method.
    pub const INK: Color = Color(30, 30, 30);
    /// Helping lines.
    pub const GREY: Color = Color(150, 150, 150);
    /// The grid.
    pub const FAINT: Color = Color(228, 228, 228);
    /// Paper.
    pub const WHITE: Color = Color(255, 255, 255);
    /// What is to be seen first (vermillion, as the next three from the palette of Okabe and Ito).
    pub const ACCENT: Color = Color(213, 94, 0);
    /// Blue.
    pub const BLUE: Color = Color(0, 114, 178);
    /// Reddish purple.
    pub const PURPLE: Color = Color(204, 121, 167);
    /// Bluish green.
    pub const GREEN: Color = Color(0, 158, 115);

    /// The colour a share of the way to another one.
    pub fn toward(self, other: Color, share: f64) -> Color {
        let mix = |a: u8, b: u8| (f64::from(a) + share * (f64::from(b) - f64::from(a))).round() as u8;
        Color(mix(self.0, other.0), mix(self.1, other.1), mix(self.2, other.2))
    }
}

/// Viridis without its brightest part, at equal distances.
const VIRIDIS: [Color; 7] = [
    Color(68, 1, 84),
    Color(70, 50, 126),
    Color(54, 92, 141),
    Color(39, 127, 142),
    Color(31, 161, 135),
    Color(74, 193, 109),
    Color(180, 215, 40),
];

/// Dark to light for 0 to 1: for things that have an order.
pub fn ramp(share: f64) -> Color {
    let place = share.clamp(0.0, 1.0) * (VIRIDIS.len() - 1) as f64;
    let below = (place.floor() as usize).min(VIRIDIS.len() - 2);
    VIRIDIS[below].toward(VIRIDIS[below + 1], place - below as f64)
}

/// A line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stroke {
    /// Its colour.
    pub color: Color,
    /// Its width in pixels.
    pub width: u32,
    /// Whether it has gaps.
    pub dashed: bool,
}

impl Stroke {
    /// A curve.
    pub fn solid(color: Color) -> Stroke {
        Stroke { color, width: 3, dashed: false }
    }

    /// A curve that others are compared with.
    pub fn dashed(color: Color) -> Stroke {
        Stroke { color, width: 3, dashed: true }
    }

    /// A line that leads the eye from mark to mark.
    pub fn thin(color: Color) -> Stroke {
        Stroke { color, width: 2, dashed: false }
    }
}

/// A mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A filled circle.
    Disc,
    /// A small filled circle, for many of them.
    Dot,
    /// An empty circle, to be drawn around a disc.
    Ring,
    /// A star of five points.
    Star,
    /// A filled square.
    Square,
}
