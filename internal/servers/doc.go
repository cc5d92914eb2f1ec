// Package servers starts real servers for tests: redis-server, a Redis Cluster, a Redis led by Sentinels, and something that speaks
// MongoDB's protocol.
//
// Each server has a folder and a port of its own on loopback, and ends with the test that asked for it: when
// the test passes, fails or panics, and (on Linux) when the test binary is killed. Servers are stopped by
// process id, never by name.
//
// Where a server is not installed the test is skipped with one line, or fails with it if
// LYCOSA_REQUIRE_SERVERS=1 is set, as `make test` does.
package servers
