package renderer

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// clusterScope stands for the namespace of objects that have none. It cannot
// be one: "_" is no character of a namespace's name, nor of an encoded one.
const clusterScope = "_"

// maxFileName keeps names below what common file systems hold (255 bytes).
const maxFileName = 230

// fileNames names the file of each object of a layer:
// <kind>.<namespace>.<name>.yaml. Where that is not enough to tell objects
// apart, the group follows the kind in all of those.
func fileNames(objects []*object) []string {
	names := make([]string, len(objects))
	count := map[string]int{}
	for i, o := range objects {
		names[i] = fileName(o, false)
		count[names[i]]++
	}
	for i, o := range objects {
		if count[names[i]] > 1 {
			names[i] = fileName(o, true)
		}
	}
	return names
}

func fileName(o *object, withGroup bool) string {
	kind := encode(strings.ToLower(o.kind()))
	if withGroup && o.group() != "" {
		kind += "." + encode(o.group())
	}
	namespace := clusterScope
	if o.namespace() != "" {
		namespace = encode(o.namespace())
	}
	name := kind + "." + namespace + "." + encode(o.name())
	if len(name) > maxFileName {
		sum := sha256.Sum256([]byte(name))
		name = name[:maxFileName-40] + "-" + hex.EncodeToString(sum[:16])
	}
	return name + ".yaml"
}

// encode writes every byte but those that are safe in a file name of any file
// system, letter case included, as %xx.
func encode(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '.' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return b.String()
}
