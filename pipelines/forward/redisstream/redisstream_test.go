package redisstream_test

import (
	"encoding/json"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/lycosa-crawl/lycosa/internal/servers"
	"github.com/lycosa-crawl/lycosa/pipelines"
	"github.com/lycosa-crawl/lycosa/pipelines/forward"
	"github.com/lycosa-crawl/lycosa/pipelines/forward/redisstream"
)

var _ forward.Sink = (*redisstream.Stream)(nil)

func TestChangesArriveInOrder(t *testing.T) {
	t.Parallel()
	client := redis.NewClient(&redis.Options{Addr: servers.Redis(t).Addr})
	defer client.Close()
	stream := redisstream.New(client, "changes", 0)
	batch := []pipelines.Change{
		{Cursor: 1, News: pipelines.NewsNew, Crawl: "shop", URL: "https://a.example/"},
		{Cursor: 2, News: pipelines.NewsChanged, Kind: "book", Key: "<k>", Crawl: "shop", Fields: []pipelines.FieldChange{{Path: "price", Old: int64(1), New: 2.5}}},
	}
	for range 2 {
		if err := stream.Send(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := client.XRange(t.Context(), "changes", "-", "+").Result()
	if err != nil || len(entries) != 4 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	if v := entries[1].Values; v["cursor"] != "2" || v["news"] != "changed" || v["kind"] != "book" || v["key"] != "<k>" || v["crawl"] != "shop" {
		t.Errorf("the entry is %v", v)
	}
	var c pipelines.Change
	if err := json.Unmarshal([]byte(entries[1].Values["change"].(string)), &c); err != nil {
		t.Fatal(err)
	}
	if c.Cursor != 2 || len(c.Fields) != 1 || c.Fields[0].Old != int64(1) || c.Fields[0].New != 2.5 {
		t.Errorf("the change is %+v", c)
	}
}

func TestStreamIsCut(t *testing.T) {
	t.Parallel()
	client := redis.NewClient(&redis.Options{Addr: servers.Redis(t).Addr})
	defer client.Close()
	stream := redisstream.New(client, "changes", 100)
	batch := make([]pipelines.Change, 500)
	for range 4 {
		if err := stream.Send(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := client.XLen(t.Context(), "changes").Result(); err != nil || n < 100 || n > 1000 {
		t.Errorf("the stream holds %d entries, %v", n, err)
	}
}
