package main

import (
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"k8s.io/client-go/rest"
)

func TestCallCounterTellsWatchesFromCalls(t *testing.T) {
	tokens := make(chan string, 4)
	server := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		tokens <- r.Header.Get("Authorization")
	}))
	defer server.Close()
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	counter, err := newCallCounter(&rest.Config{Host: server.URL, BearerToken: "of the administrator", TLSClientConfig: rest.TLSClientConfig{CAData: certificate}})
	if err != nil {
		t.Fatal(err)
	}
	defer counter.close()
	config := counter.config()
	config.BearerToken = "of the agent"
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/api", "/api/v1/nodes", "/api/v1/nodes?watch=true", "/api/v1/nodes?watch=1"} {
		response, err := client.Get(config.Host + path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
	}
	got := counter.seen()
	if got.calls != 2 || got.opened != 2 {
		t.Errorf("%+v, want 2 calls and 2 watches opened", got)
	}
	close(tokens)
	for token := range tokens {
		if token != "Bearer of the agent" {
			t.Errorf("a request bears %q", token)
		}
	}
}
