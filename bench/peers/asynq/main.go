// Command asynq enqueues and processes tasks with asynq, 16 at a time each way, and prints the rates as JSON. It is a
// module of its own, so that lycosa does not come to depend on asynq.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
)

func main() {
	addr := flag.String("redis", "127.0.0.1:6379", "address of Redis")
	n := flag.Int("n", 10_000, "tasks")
	flag.Parse()
	if err := run(asynq.RedisClientOpt{Addr: *addr, PoolSize: workers + 4}, *n); err != nil {
		fmt.Fprintln(os.Stderr, "asynq:", err)
		os.Exit(1)
	}
}

const workers = 16

func run(redis asynq.RedisClientOpt, n int) error {
	began := time.Now()
	if err := enqueue(redis, n); err != nil {
		return err
	}
	enqueued := time.Since(began)

	processed := make(chan struct{})
	var count atomic.Int64
	server := asynq.NewServer(redis, asynq.Config{Concurrency: workers, LogLevel: asynq.FatalLevel})
	began = time.Now()
	err := server.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
		if count.Add(1) == int64(n) {
			close(processed)
		}
		return nil
	}))
	if err != nil {
		return err
	}
	<-processed
	took := time.Since(began)
	server.Shutdown()
	return json.NewEncoder(os.Stdout).Encode(map[string]float64{
		"enqueue_per_s": float64(n) / enqueued.Seconds(),
		"process_per_s": float64(n) / took.Seconds(),
		"cycle_per_s":   float64(n) / (enqueued + took).Seconds(),
	})
}

func enqueue(redis asynq.RedisClientOpt, n int) error {
	client := asynq.NewClient(redis)
	defer client.Close()
	errs := make([]error, workers)
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for i := w; i < n; i += workers {
				url := fmt.Sprintf(`{"v":1,"u":"https://h%07d.example/catalogue/some-thing-or-other_%09d/","r":"detail","d":3}`, i/8, i)
				if _, err := client.Enqueue(asynq.NewTask("page", []byte(url))); err != nil {
					errs[w] = err
					return
				}
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
