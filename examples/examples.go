// Package examples carries the example tenant repositories inside the program,
// for "branchline init" and "branchline demo".
package examples

import (
	"embed"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
)

//go:embed all:minimal all:quickstart
var files embed.FS

// Names lists the examples.
func Names() []string { return []string{"minimal", "quickstart"} }

// Files holds one example, tenant.yaml at its root.
func Files(name string) (fs.FS, error) {
	for _, known := range Names() {
		if name == known {
			return fs.Sub(files, name)
		}
	}
	return nil, fmt.Errorf("there is no example %q; use %s", name, strings.Join(Names(), " or "))
}

var metadataName = regexp.MustCompile(`(?m)^(metadata:\s*(?:\{\s*)?name:\s*)[-a-z0-9]+`)

// Rename gives the tenant of an example's tenant.yaml another name.
func Rename(tenantFile []byte, name string) []byte {
	return metadataName.ReplaceAll(tenantFile, []byte("${1}"+name))
}
