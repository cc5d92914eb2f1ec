// Command frontier measures the frontiers beside what else could be done with the same Redis, in the same run, and
// prints each figure with its target:
//
//	go run ./bench/frontier                          everything, from the root of the repository
//	go run ./bench/frontier -parts cycle -rounds 9   one part of it
//	go run ./bench/frontier -json                    for scripts
//
// How to read it stands in bench/README.md.
package main
