"""Fails where a dependency wants a newer Rust than Cargo.toml states. Reads what `cargo metadata` says."""
import json
import sys


def version(text):
    numbers = [int(part) for part in text.split('.')]
    return numbers + [0] * (3 - len(numbers))


def main():
    metadata = json.load(sys.stdin)
    own = next(package for package in metadata['packages'] if package['id'] == metadata['resolve']['root'])
    stated = own['rust_version']
    newer = [
        f"{package['name']} {package['version']} wants Rust {package['rust_version']}"
        for package in metadata['packages']
        if package['rust_version'] and version(package['rust_version']) > version(stated)
    ]
    if newer:
        sys.exit('\n'.join(newer + [f'Cargo.toml states {stated}: raise it, or take older ones (cargo update --precise)']))
    print(f"no dependency wants a newer Rust than {stated}")


main()
