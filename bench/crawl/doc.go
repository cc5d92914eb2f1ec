// Command crawl measures lycosa beside a bare loop (net/http, goquery, a map) on the same site in the same run:
//
//	go run ./bench/crawl                        5 rounds of 5,000 pages on 10 hosts
//	go run ./bench/crawl -rounds 9 -peers bare,lycosa-redis
//
// The main figure is the CPU time of the crawler's process for 1,000 pages, by the kernel's account. Pages a second
// say little, because site, server and crawler share the machine's cores. Machines are noisy: what holds is the
// ratio to the bare loop of the same round, and its median over several.
package main
