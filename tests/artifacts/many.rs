//! Many files at once.

use super::*;
use crate::support::world::PATIENCE;

#[tokio::test]
async fn the_first_error_stops_the_others() {
    let world = World::new();
    let mut downloads: Vec<Download> =
        (0..20).map(|index| world.serve(&format!("file-{index}"), &varied(1_000_000, index))).collect();
    world.server.throttle(200_000);
    // It takes half a second, in which the others begin.
    let right = world.serve("wrong", &varied(100_000, 99));
    downloads.insert(3, world.download("wrong", vec![checksum(Algorithm::Sha512, b"other")]));
    let error = world.fetch(&downloads).await.unwrap_err();
    assert_eq!(error.target, Path::new("wrong"));
    assert!(world.placed().is_empty());
    assert_eq!(world.server.requests().len(), 8);
    let kept = world.cached();
    assert!(kept.iter().all(|path| path.extension().is_some_and(|extension| extension == "partial")), "{kept:?}");
    assert_eq!(kept.len(), 7);
    let sizes: Vec<u64> = kept.iter().map(|path| fs::metadata(path).unwrap().len()).collect();
    assert!(sizes.iter().all(|size| *size < 1_000_000), "each was stopped on its way: {sizes:?}");
    // Nobody holds a lock any more, and nobody writes.
    world.server.unthrottle();
    downloads[3] = right;
    world.fetch(&downloads).await.unwrap();
    assert_eq!((world.placed().len(), world.cached().len()), (21, 21));
}

#[tokio::test]
async fn files_come_at_once_and_not_one_after_the_other() {
    let world = World::new();
    let downloads: Vec<Download> =
        (0..24).map(|index| world.serve(&format!("file-{index}"), &varied(500_000, index))).collect();
    world.server.send_at_once(8);
    let fetched = tokio::time::timeout(PATIENCE, world.fetch(&downloads)).await.expect("eight are asked for at once");
    let fetched = fetched.unwrap();
    let targets: Vec<PathBuf> = fetched.into_iter().map(|fetched| fetched.target).collect();
    assert_eq!(targets, downloads.iter().map(|download| download.target.clone()).collect::<Vec<_>>());
}

/// Twenty files of 50 MB.
#[tokio::test]
#[ignore = "writes two gigabytes"]
async fn big_files_take_little_memory() {
    const BLOCK: usize = 50_000;
    const BLOCKS: u64 = 1000;
    let world = World::new();
    let download = |index: u32| {
        let name = format!("file-{index}");
        let block = varied(BLOCK, index);
        world.server.repeated(&format!("/{name}"), &block, BLOCKS);
        let mut hasher = openssl::hash::Hasher::new(MessageDigest::sha512()).unwrap();
        (0..BLOCKS).for_each(|_| hasher.update(&block).unwrap());
        let digest = digests::hex(&hasher.finish().unwrap());
        world.download(&name, vec![Checksum::new(Algorithm::Sha512, &digest).unwrap()])
    };
    let downloads: Vec<Download> = (0..20).map(download).collect();
    world.server.throttle(50_000_000);
    world.fetch(&downloads).await.unwrap();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")).unwrap();
    eprintln!("at most {peak} kB with the server");
    assert!(peak.parse::<u64>().unwrap() < 60 * 1024, "{peak} kB");
}
