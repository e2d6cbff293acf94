package renderer

import (
	"encoding/base64"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/gobwas/glob"
	"helm.sh/helm/v4/pkg/chart/common"
)

// chartFiles is .Files of a template: the files of a chart that are neither
// templates nor Helm's own, by path.
type chartFiles map[string][]byte

func newChartFiles(files []*common.File) chartFiles {
	result := make(chartFiles, len(files))
	for _, file := range files {
		if file != nil {
			result[file.Name] = file.Data
		}
	}
	return result
}

// Get is the content of a file, empty if there is none.
func (f chartFiles) Get(name string) string { return string(f[name]) }

// GetBytes is Get without the conversion.
func (f chartFiles) GetBytes(name string) []byte { return append([]byte{}, f[name]...) }

// Lines are the lines of a file.
func (f chartFiles) Lines(name string) []string {
	text := strings.TrimSuffix(string(f[name]), "\n")
	if len(f[name]) == 0 {
		return []string{}
	}
	return strings.Split(text, "\n")
}

// Glob are the files whose path matches a pattern, in which ** crosses folders.
func (f chartFiles) Glob(pattern string) (chartFiles, error) {
	matcher, err := glob.Compile(pattern, '/')
	if err != nil {
		return nil, fmt.Errorf("the pattern %q is not valid: %w", pattern, err)
	}
	result := chartFiles{}
	for name, data := range f {
		if matcher.Match(name) {
			result[name] = data
		}
	}
	return result, nil
}

// AsConfig is YAML of the contents by base name, for data of a ConfigMap. Of
// files with one base name the last path wins.
func (f chartFiles) AsConfig() string {
	contents := make(map[string]string, len(f))
	for _, name := range slices.Sorted(maps.Keys(f)) {
		contents[path.Base(name)] = string(f[name])
	}
	return toYAML(contents)
}

// AsSecrets is AsConfig for data of a Secret.
func (f chartFiles) AsSecrets() string {
	contents := make(map[string]string, len(f))
	for _, name := range slices.Sorted(maps.Keys(f)) {
		contents[path.Base(name)] = base64.StdEncoding.EncodeToString(f[name])
	}
	return toYAML(contents)
}
