# `just` lists what there is

default:
    @just --list

# everything a change must pass
check:
    ./.ci/run

# the tests alone; arguments go to cargo test
test *arguments:
    ./tests/run {{arguments}}

# licences, advisories and sources of dependencies
deny:
    cargo deny --all-features --config .deny.toml check

# how fast it is, on this machine
bench *arguments:
    cargo bench --workspace {{arguments}}

# write the OpenAPI document anew
openapi:
    cargo run --quiet -- openapi > api/openapi/v1.json
