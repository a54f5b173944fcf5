# What one types every day; `just` lists it.

default:
    @just --list

# Unit, house, wire and compat tests, on io_uring and on epoll
test *filter:
    cargo test --locked {{filter}}

# The gate, as it runs for every change
gate *sections:
    .ci/run {{sections}}

# Everything, with real servers, soak and load tests
full:
    .ci/full

# One benchmark per floor; `just bench codec` for one
bench *name:
    cargo bench --locked {{ if name == "" { "" } else { "--bench " + name } }}

# Against bare loops, nginx, HAProxy and others; KRAKEND=path adds KrakenD
load *arguments:
    loadtests/run {{arguments}}

# Every parser for so many seconds
fuzz seconds="60":
    FUZZ_SECONDS={{seconds}} cargo test --locked --release --test fuzz -- --nocapture

# The commands of the documents, and the API pages
docs:
    cargo test --locked --test docs
    cargo doc --locked --no-deps
