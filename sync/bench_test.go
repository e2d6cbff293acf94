package sync

import (
	"fmt"
	"strings"
	"testing"
)

func BenchmarkVerifyCommit(b *testing.B) {
	signer := newSignerT(b)
	raw := signedCommit(b, signer)
	for b.Loop() {
		if _, err := VerifyCommit(raw, []string{signer.PublicKey()}); err != nil {
			b.Fatal(err)
		}
	}
}

// A thousand clusters that share a layer of 20 files.
func BenchmarkPublish1000(b *testing.B) {
	signer := newSignerT(b)
	for b.Loop() {
		b.StopTimer()
		repo := newRepositoryT(b)
		var updates []Update
		for i := range 1000 {
			files := map[string]string{"cluster.yaml": fmt.Sprint(i)}
			for f := range 20 {
				files[fmt.Sprintf("layers/10-x/configmap.n.c%d.yaml", f)] = strings.Repeat("shared\n", 100)
			}
			updates = append(updates, update(desiredRef(fmt.Sprintf("c%d", i)), "", files))
		}
		b.StartTimer()
		if _, err := repo.Publish(b.Context(), signer, updates); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRemote(b *testing.B) {
	e := newEndpoint(b, nil)
	signer := newSignerT(b)
	files := map[string]string{"cluster.yaml": "a"}
	for f := range 200 {
		files[fmt.Sprintf("layers/10-x/configmap.n.c%d.yaml", f)] = strings.Repeat(fmt.Sprintf("line %d\n", f), 100)
	}
	id := publish(b, e.repo, signer, update(desiredRef("a"), "", files))
	remote := e.remote("agent-a")
	b.Run("unchanged", func(b *testing.B) {
		for b.Loop() {
			if _, err := remote.Fetch(b.Context(), desiredRef("a"), id); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("fetch200", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := remote.Fetch(b.Context(), desiredRef("a"), ""); err != nil {
				b.Fatal(err)
			}
		}
	})
	tip, n := "", 0
	b.Run("push", func(b *testing.B) {
		for b.Loop() {
			n++
			next, err := remote.Push(b.Context(), signer, statusUpdate("a", tip, fmt.Sprint(n)))
			if err != nil {
				b.Fatal(err)
			}
			tip = next
		}
	})
}
