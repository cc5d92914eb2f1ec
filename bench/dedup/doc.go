// Command dedup measures the filters of package dedup beside a plain set in Redis, in the same run, and prints each
// figure with its target:
//
//	go run ./bench/dedup                 everything, from the root of the repository
//	go run ./bench/dedup -urls 10000000  up to ten million URLs: 2.5 GB of memory
//	go run ./bench/dedup -strict         exit with 1 if a target is missed
//	go run ./bench/dedup -json           for scripts
//
// How to read it stands in bench/README.md.
package main
