//! A backend that answers while the client still uploads (docs/reference/hardening.md 4.1): the
//! answer arrives, nobody goes on sending into the void, and no connection with half a request on
//! it is used again.

use crate::both_drivers;
use crate::invariants::{Profile, Site, honest};
use crate::support::{PATIENCE, answer, backend, call};

both_drivers! {
    backend_early_answer_while_the_client_uploads,
    backend_early_answer_before_the_hundred,
}

const UPLOAD: usize = 100 << 20;

fn backend_early_answer_while_the_client_uploads() {
    // How the backend goes on after its answer: it closes, it waits, it resets.
    let closes = backend().post("/up", answer(413).body("too much").early().close());
    let reads_on = backend().post("/up", answer(413).body("too much").early());
    let other = honest();
    for profile in Profile::BOTH {
        let mut site = Site::start(
            profile
                .gateway()
                .endpoint("/closes", [call(&closes, "/up")])
                .method("POST")
                .noop()
                .endpoint("/reads-on", [call(&reads_on, "/up")])
                .method("POST")
                .noop()
                .endpoint("/decoded", [call(&closes, "/up")])
                .method("POST")
                .endpoint("/other", [call(&other, "/a")])
                .input_query_strings(&["id"]),
        );
        for (path, peer) in [("/closes", &closes), ("/reads-on", &reads_on), ("/decoded", &closes)]
        {
            let before = peer.connections();
            for _ in 0..3 {
                let mut client = site.gw.connect();
                client.write(format!(
                    "POST {path} HTTP/1.1\r\nHost: gw\r\nContent-Length: {UPLOAD}\r\n\r\n"
                ));
                client.write(vec![b'x'; 100_000]);
                site.counts(1);
                let found = client.response("POST");
                if path == "/decoded" {
                    assert!(found.code == profile.status(502), "{found}");
                } else {
                    found.status(413).body("too much");
                }
                // Not drained to the end: the connection ends instead.
                let chunk = vec![b'x'; 1 << 20];
                let taken = (0..UPLOAD >> 20).take_while(|_| client.try_write(&chunk)).count();
                assert!(taken < 64, "{path}: {taken} MiB were taken");
                client.patience(PATIENCE);
                client.gone();
                site.honest("/other");
            }
            let opened = peer.connections() - before;
            assert_eq!(opened, 3, "{path}: a connection with half a request is not reused");
        }
        site.settled();
    }
}

fn backend_early_answer_before_the_hundred() {
    let peer = backend().post("/up", answer(401).body("who are you").early().close());
    let mut site = Site::start(
        Profile::Safe.gateway().endpoint("/up", [call(&peer, "/up")]).method("POST").noop(),
    );
    for _ in 0..3 {
        let mut client = site.gw.connect();
        client.write(
            "POST /up HTTP/1.1\r\nHost: gw\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
        );
        site.counts(1);
        let found = client.response("POST");
        found.status(401).body("who are you");
        // Whether the gateway invited the content first or not: what follows is no request.
        client.try_write("GET /up HTTP/1.1\r\nHost: gw\r\n\r\n");
        assert!(client.rest().is_empty(), "nothing after the answer");
    }
    site.settled();
}
