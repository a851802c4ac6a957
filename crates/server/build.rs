//! Has the server built again when the pages it embeds were: new files appear there, which no source names.

fn main() {
    println!("cargo::rerun-if-changed=../../web/dist");
}
