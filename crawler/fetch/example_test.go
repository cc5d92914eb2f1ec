package fetch_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/lycosa-crawl/lycosa/crawler/fetch"
)

func ExampleClient_Fetch() {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=iso-8859-1")
		io.WriteString(w, "<title>caf\xE9</title>")
	}))
	defer site.Close()
	client, err := fetch.New(fetch.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	// The site is on this machine, and nobody said that this is what we want.
	_, err = client.Fetch(context.Background(), &fetch.Request{URL: site.URL})
	fmt.Println(fetch.ReasonOf(err))

	resp, err := client.Fetch(context.Background(), &fetch.Request{URL: site.URL, AllowPrivate: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	text, charset := fetch.Text(resp.Body, resp.Header.Get("Content-Type"))
	fmt.Printf("%d %s %s\n", resp.Status, charset, text)
	// Output:
	// forbidden_address
	// 200 windows-1252 <title>café</title>
}
