//! The first thing that a newcomer runs.

use crate::world::World;

#[test]
fn the_demo_backs_up_restores_and_compares() {
    let world = World::new();
    let folder = world.path("demo").display().to_string();
    let mut command = world.command(&["demo", "--terminal", "--folder", &folder]);
    for name in ["KEY", "TOKEN", "URL"] {
        command.env_remove(format!("DROPBOX_{name}"));
    }
    let ran = crate::world::Ran::of(&mut command).succeeded();
    for words in ["Dropbox's own hash agrees", ".db.zst.age", "identical", &folder] {
        assert!(ran.stdout.contains(words), "'{words}' is missing in {}", ran.stdout);
    }
    for name in ["shop.db", "restored.db", "key.txt", "dropbox"] {
        assert!(world.path("demo").join(name).exists(), "{name}");
    }
    world.run(&["demo", "--folder", &folder]).ended_with(2);
}
