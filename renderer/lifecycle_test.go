package renderer_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"branchline.dev/branchline/renderer"
	"branchline.dev/branchline/schemas"
)

// repository is a tenant with two clusters that share a profile.
func repository() fstest.MapFS {
	cluster := func(name string) string {
		return `{apiVersion: branchline.dev/v1alpha1, kind: Cluster, metadata: {name: ` + name + `},
			spec: {cloud: {type: local}, profiles: [{name: p, version: "1", variables: {text: hello}}]}}`
	}
	return fstest.MapFS{
		"tenant.yaml":         text(`{apiVersion: branchline.dev/v1alpha1, kind: Tenant, metadata: {name: acme}}`),
		"clusters/one.yaml":   text(cluster("one")),
		"clusters/two.yaml":   text(cluster("two")),
		"packs/app/pack.yaml": text(`{apiVersion: branchline.dev/v1alpha1, kind: Pack, metadata: {name: app}, spec: {version: "1"}}`),
		"packs/app/manifests/cm.yaml": text(`{apiVersion: v1, kind: ConfigMap, metadata: {name: cm},
			data: {text: "${values.text}"}}`),
		"profiles/p.yaml": text(`{apiVersion: branchline.dev/v1alpha1, kind: ClusterProfile, metadata: {name: p},
			spec: {version: "1", variables: [{name: text, type: string}],
			layers: [{name: app, pack: {name: app, version: "1"}, values: {text: "${var.text}"}}]}}`),
	}
}

func text(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }

func mustRender(t *testing.T, in renderer.Input) map[string]renderer.ClusterTree {
	t.Helper()
	output, err := renderer.Render(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	trees := map[string]renderer.ClusterTree{}
	for _, tree := range output.Clusters {
		trees[tree.Name] = tree
	}
	return trees
}

// after is the next rendering: its previous manifests are what trees published.
func after(in renderer.Input, trees map[string]renderer.ClusterTree, commit string) renderer.Input {
	in.Previous = map[string]schemas.DesiredCluster{}
	for name, tree := range trees {
		in.Previous[name] = tree.Manifest
	}
	in.Commit.ID = strings.Repeat(commit, 40)
	in.Commit.Ancestors++
	return in
}

func edit(source fstest.MapFS, file, old, new string) fstest.MapFS {
	source = maps.Clone(source)
	source[file] = text(strings.ReplaceAll(string(source[file].Data), old, new))
	return source
}

func TestUnaffectedClusterKeepsItsManifest(t *testing.T) {
	first := input(repository())
	before := mustRender(t, first)
	second := after(first, before, "2")
	second.Version = "newer"
	second.Source = edit(repository(), "clusters/two.yaml", "hello", "bye")
	trees := mustRender(t, second)

	if one := trees["one"]; one.Changed || cmp.Diff(before["one"].Files, one.Files) != "" {
		t.Errorf("cluster one moved although nothing of it changed:\n%s", cmp.Diff(before["one"].Files, one.Files))
	}
	two := trees["two"]
	if !two.Changed {
		t.Fatal("cluster two did not move although a variable of it changed")
	}
	got := []any{two.Manifest.Spec.UID, two.Manifest.Spec.Generation, two.Manifest.Spec.Source.Commit, two.Manifest.Spec.Renderer}
	want := []any{before["two"].Manifest.Spec.UID, int64(8), second.Commit.ID, "newer"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("uid, generation, source, renderer (-want +got):\n%s", diff)
	}
}

// A rollback makes a new generation even if the source commit is older than the
// one that was rendered last.
func TestGenerationNeverGoesBack(t *testing.T) {
	in := input(repository())
	before := mustRender(t, in)
	rollback := after(in, before, "0")
	rollback.Commit.Ancestors = 1
	rollback.Source = edit(repository(), "clusters/one.yaml", "hello", "old")
	if got := mustRender(t, rollback)["one"].Manifest.Spec.Generation; got != 8 {
		t.Errorf("generation %d, want 8", got)
	}
}

func TestManifestDescribesTheFiles(t *testing.T) {
	tree := mustRender(t, input(repository()))["one"]
	spec := tree.Manifest.Spec
	if got := spec.ComputeDigest(); got != spec.Digest {
		t.Errorf("digest %s, computed %s", spec.Digest, got)
	}
	if got := schemas.DigestOf(tree.Files[schemas.DesiredInfrastructureFile]); got != spec.Infrastructure {
		t.Errorf("infrastructure digest %s, computed %s", spec.Infrastructure, got)
	}
	for _, layer := range spec.Layers {
		files := map[string][]byte{}
		for name, data := range tree.Files {
			if rest, ok := strings.CutPrefix(name, layer.Path+"/"); ok {
				files[rest] = data
			}
		}
		if got := schemas.LayerDigest(files); got != layer.Digest || len(files) != layer.Objects {
			t.Errorf("layer %s: digest %s of %d objects, computed %s of %d", layer.Name, layer.Digest, layer.Objects, got, len(files))
		}
	}
	var read schemas.DesiredCluster
	if err := schemas.Unmarshal(tree.Files[schemas.DesiredClusterFile], &read); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(tree.Manifest, read); diff != "" {
		t.Errorf("cluster.yaml reads back differently (-want +got):\n%s", diff)
	}
}

func TestDeletingAClusterTakesTwoCommits(t *testing.T) {
	in := input(repository())
	trees := mustRender(t, in)

	removed := repository()
	delete(removed, "clusters/one.yaml")
	in = after(in, trees, "2")
	in.Source = removed
	_, err := renderer.Render(t.Context(), in)
	var problems schemas.Problems
	if !errors.As(err, &problems) || len(problems) != 1 || !strings.Contains(problems[0].Message, "spec.deletionProtection: false") {
		t.Fatalf("removing a protected cluster: %v", err)
	}

	in.Source = edit(repository(), "clusters/one.yaml", "spec: {", "spec: {deletionProtection: false, ")
	trees = mustRender(t, in)
	in = after(in, trees, "3")
	in.Source = removed
	trees = mustRender(t, in)
	one := trees["one"]
	if diff := cmp.Diff([]string{schemas.DesiredClusterFile}, slices.Sorted(maps.Keys(one.Files))); diff != "" {
		t.Errorf("files of an ended cluster (-want +got):\n%s", diff)
	}
	want := &schemas.Tombstone{UID: in.Previous["one"].Spec.UID, DeletedAt: "2026-03-01T11:00:00Z"}
	if diff := cmp.Diff(want, one.Manifest.Spec.Tombstone); diff != "" || !one.Changed {
		t.Errorf("tombstone (-want +got), changed %v:\n%s", one.Changed, diff)
	}

	ended := mustRender(t, after(in, trees, "4"))
	if ended["one"].Changed {
		t.Error("an ended cluster moved again")
	}

	back := after(in, ended, "5")
	back.Source = repository()
	again := mustRender(t, back)["one"].Manifest.Spec
	if again.UID == one.Manifest.Spec.UID || again.Tombstone != nil || again.Generation <= one.Manifest.Spec.Generation {
		t.Errorf("a cluster that comes back has uid %s, generation %d, tombstone %v; before: uid %s, generation %d",
			again.UID, again.Generation, again.Tombstone, one.Manifest.Spec.UID, one.Manifest.Spec.Generation)
	}
}

// A file that cannot be read is no reason to end the cluster that it holds.
func TestUnreadableClusterIsNotARemovedOne(t *testing.T) {
	in := input(edit(repository(), "clusters/one.yaml", "hello", "[ }"))
	in.Previous = map[string]schemas.DesiredCluster{"one": {Spec: schemas.DesiredClusterSpec{Tenant: "acme", UID: "u"}}}
	_, err := renderer.Render(t.Context(), in)
	if err == nil || strings.Contains(err.Error(), "removed") {
		t.Errorf("got %v", err)
	}
}

func TestTenantKeepsItsName(t *testing.T) {
	in := input(repository())
	in.Previous = map[string]schemas.DesiredCluster{"one": {Spec: schemas.DesiredClusterSpec{Tenant: "other", UID: "u"}}}
	_, err := renderer.Render(t.Context(), in)
	if err == nil || !strings.Contains(err.Error(), `tenant.yaml:1:`) {
		t.Errorf("got %v", err)
	}
}

func TestTrustedKeys(t *testing.T) {
	in := input(repository())
	if diff := cmp.Diff(in.TrustedKeys, mustRender(t, in)["one"].Manifest.Spec.TrustedKeys); diff != "" {
		t.Errorf("without keys in tenant.yaml (-want +got):\n%s", diff)
	}
	in.Source = edit(repository(), "tenant.yaml", "metadata: {name: acme}", "metadata: {name: acme}, spec: {trustedKeys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5QYxgCvCkUTyQSR7yNYLPfaAFTkOmQEAGUOMd1hA0O]}")
	want := []string{"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5QYxgCvCkUTyQSR7yNYLPfaAFTkOmQEAGUOMd1hA0O"}
	if diff := cmp.Diff(want, mustRender(t, in)["one"].Manifest.Spec.TrustedKeys); diff != "" {
		t.Errorf("with keys in tenant.yaml (-want +got):\n%s", diff)
	}
}

// TestDeterminism renders again and again, with the entries of folders in another
// order each time.
func TestDeterminism(t *testing.T) {
	t.Parallel()
	archive, err := txtar.ParseFile("testdata/formats.txtar")
	if err != nil {
		t.Fatal(err)
	}
	in, want := readCase(t, archive)
	source, _ := in.Source.(fstest.MapFS)
	for seed := range uint64(5) {
		in.Source = shuffled{source, seed}
		if diff := cmp.Diff(want, render(t, in)); diff != "" {
			t.Fatalf("rendering %d differs:\n%s", seed, diff)
		}
	}
}
