package schemas_test

import (
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"k8s.io/apimachinery/pkg/util/validation"

	"branchline.dev/branchline/schemas"
)

// TestLabelsFollowKubernetes holds what is accepted here to what Kubernetes
// itself accepts.
func TestLabelsFollowKubernetes(t *testing.T) {
	texts := []string{
		"", "a", "A", "1", "-", "_", ".", "a-", "-a", "a.b", "a..b", "a_b", "a b", "ü", "a\n", "a/b", "a/", "/a", "a/b/c", "A/b", "a_b/c",
		"a.b/c", "a./c", ".a/c", "a..b/c", "a-/c", "example.com/Name_1.x", "x/" + strings.Repeat("a", 63), "x/" + strings.Repeat("a", 64),
		strings.Repeat("a", 63), strings.Repeat("a", 64), strings.Repeat("a", 253) + "/x", strings.Repeat("a", 254) + "/x",
	}
	accepted := func(key, value string) bool {
		fsys := valid()
		label := strconv.Quote(key) + ": " + strconv.Quote(value)
		fsys["clusters/eu/dev.yaml"] = &fstest.MapFile{Data: []byte(strings.Replace(cluster, "name: dev", "name: dev, labels: {"+label+"}", 1))}
		_, problems := schemas.Load(fsys)
		return len(problems) == 0
	}
	for _, text := range texts {
		if want, got := len(validation.IsQualifiedName(text)) == 0, accepted(text, "x"); want != got {
			t.Errorf("key %q: accepted %v, want %v", text, got, want)
		}
		if want, got := len(validation.IsValidLabelValue(text)) == 0, accepted("x", text); want != got {
			t.Errorf("value %q: accepted %v, want %v", text, got, want)
		}
	}
}
