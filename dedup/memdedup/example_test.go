package memdedup_test

import (
	"context"
	"fmt"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/dedup/memdedup"
)

func ExampleSet() {
	seen := memdedup.NewSet()
	home := dedup.Of("GET", "http://example.com/", nil)
	about := dedup.Of("GET", "http://example.com/about", nil)

	fresh, err := seen.Add(context.Background(), home, about, home)
	fmt.Println(fresh, err)
	fmt.Println(seen.AddOne(home), seen.HasOne(about))
	// Output:
	// [true true false] <nil>
	// false true
}

func ExampleNewBloom() {
	seen, err := memdedup.NewBloom(1_000_000, 0.001) // 1.8 MB
	if err != nil {
		fmt.Println(err)
		return
	}
	home := dedup.Of("GET", "http://example.com/", nil)
	fmt.Println(seen.AddOne(home), seen.AddOne(home))
	// Output:
	// true false
}
