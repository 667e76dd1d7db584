//! The shared library's own name, which a Rust library otherwise has none of: programs are bound to the version of the
//! binary interface, `BLO_ABI_VERSION`.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let name = match std::env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("linux") => "-Wl,-soname,libblo.so.0",
        Ok("macos") => "-Wl,-install_name,@rpath/libblo.0.dylib",
        _ => return,
    };
    println!("cargo:rustc-cdylib-link-arg={name}");
}
