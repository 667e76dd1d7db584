//! Which vector instructions to use, found once and passed as an argument.

use std::sync::OnceLock;

/// A set of vector instructions that this machine has.
///
/// A value exists only where the instructions do, so code that takes one may use them. Results differ between sets by
/// rounding, never between calls with the same set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Simd(pub(super) Level);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Simd {
    /// No instructions beyond the target's baseline.
    pub const PORTABLE: Simd = Simd(Level::Portable);

    /// The widest set of this machine; constant for the process. The environment variable `BLO_SIMD` chooses a narrower one by its
    /// [`Simd::name`], for tests and to compare machines; any other value is ignored.
    pub fn best() -> Simd {
        static BEST: OnceLock<Simd> = OnceLock::new();
        *BEST.get_or_init(|| {
            let sets = Simd::available();
            let wanted = std::env::var("BLO_SIMD").unwrap_or_default();
            let named = sets.iter().find(|simd| simd.name() == wanted);
            *named.or(sets.last()).unwrap_or(&Simd::PORTABLE)
        })
    }

    /// `portable`, `avx2` or `avx512`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Level::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => "avx512",
        }
    }

    /// Every set of this machine, narrowest first.
    pub fn available() -> Vec<Simd> {
        #[allow(unused_mut)]
        let mut sets = vec![Simd::PORTABLE];
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            sets.push(Simd(Level::Avx2));
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") {
                sets.push(Simd(Level::Avx512));
            }
        }
        sets
    }
}

/// Declares a kernel: one inlined body, compiled once for each set of instructions and chosen by the first argument.
/// The body's const parameter says whether `mul_add` is one instruction.
macro_rules! kernel {
    ($(#[$meta:meta])* $name:ident<$T:ident>($($arg:ident: $type:ty),*) $(-> $ret:ty)?, $body:ident) => {
        $(#[$meta])*
        pub fn $name<$T: $crate::Scalar>(simd: $crate::cpu::Simd, $($arg: $type),*) $(-> $ret)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx2,fma")]
                fn avx512<$T: $crate::Scalar>($($arg: $type),*) $(-> $ret)? {
                    $body::<$T, true>($($arg),*)
                }
                #[target_feature(enable = "avx2,fma")]
                fn avx2<$T: $crate::Scalar>($($arg: $type),*) $(-> $ret)? {
                    $body::<$T, true>($($arg),*)
                }
                match simd.0 {
                    // SAFETY: a value of `Simd` exists only where its instructions do.
                    $crate::cpu::simd::Level::Avx512 => return unsafe { avx512($($arg),*) },
                    // SAFETY: as above.
                    $crate::cpu::simd::Level::Avx2 => return unsafe { avx2($($arg),*) },
                    $crate::cpu::simd::Level::Portable => {}
                }
            }
            let _ = simd;
            $body::<$T, false>($($arg),*)
        }
    };
}
pub(super) use kernel;

/// a · b + c: fused where that is one instruction.
#[inline(always)]
pub(super) fn fma<T: crate::Scalar, const FUSED: bool>(a: T, b: T, c: T) -> T {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}
