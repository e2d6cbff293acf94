package renderer

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"text/template"

	"github.com/BurntSushi/toml"
	"go.yaml.in/yaml/v3"
	kyaml "sigs.k8s.io/yaml"
)

// codecFunctions are the functions that Helm adds to sprig's. As there, those
// without "must" give an empty text, or the error under "Error", instead of
// failing.
func codecFunctions() template.FuncMap {
	return template.FuncMap{
		"toYaml":        toYAML,
		"mustToYaml":    func(v any) (string, error) { data, err := kyaml.Marshal(v); return trimLine(data), err },
		"toYamlPretty":  toYAMLPretty,
		"fromYaml":      func(text string) map[string]any { return decodeMap(text, unmarshalYAML) },
		"fromYamlArray": func(text string) []any { return decodeList(text, unmarshalYAML) },
		"toJson":        func(v any) string { data, _ := json.Marshal(v); return string(data) },
		"mustToJson":    func(v any) (string, error) { data, err := json.Marshal(v); return string(data), err },
		"fromJson":      func(text string) map[string]any { return decodeMap(text, json.Unmarshal) },
		"fromJsonArray": func(text string) []any { return decodeList(text, json.Unmarshal) },
		"toToml": func(v any) string {
			text, err := toTOML(v)
			if err != nil {
				return err.Error()
			}
			return text
		},
		"mustToToml": toTOML,
		"fromToml":   func(text string) map[string]any { return decodeMap(text, toml.Unmarshal) },
		"required": func(message string, v any) (any, error) {
			if v == nil || v == "" {
				return v, errors.New(message)
			}
			return v, nil
		},
		"fail": func(message string) (string, error) { return "", errors.New(message) },
	}
}

func unmarshalYAML(data []byte, into any) error { return kyaml.Unmarshal(data, into) }

func trimLine(data []byte) string { return strings.TrimSuffix(string(data), "\n") }

func toYAML(v any) string {
	data, err := kyaml.Marshal(v)
	if err != nil {
		return ""
	}
	return trimLine(data)
}

func toYAMLPretty(v any) string {
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(v); err != nil {
		return ""
	}
	return trimLine(out.Bytes())
}

func toTOML(v any) (string, error) {
	var out bytes.Buffer
	err := toml.NewEncoder(&out).Encode(v)
	return out.String(), err
}

func decodeMap(text string, unmarshal func([]byte, any) error) map[string]any {
	result := map[string]any{}
	if err := unmarshal([]byte(text), &result); err != nil {
		result["Error"] = err.Error()
	}
	return result
}

func decodeList(text string, unmarshal func([]byte, any) error) []any {
	result := []any{}
	if err := unmarshal([]byte(text), &result); err != nil {
		return []any{err.Error()}
	}
	return result
}
