package schemas

import (
	"encoding/json"
	"errors"
	"fmt"

	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// Marshal writes a document in its canonical form: YAML with sorted keys, the
// same bytes for the same value.
func Marshal(v any) ([]byte, error) { return yaml.Marshal(v) }

// Unmarshal reads a document that a role wrote, strictly: unknown and duplicate
// fields are errors. Integers in free-form values become int64.
func Unmarshal(data []byte, v any) error {
	asJSON, err := yaml.YAMLToJSONStrict(data)
	if err != nil {
		return err
	}
	strict, err := kjson.UnmarshalStrict(asJSON, v)
	if err != nil {
		return err
	}
	return errors.Join(strict...)
}

// fromValue fills a document from a value that its schema has accepted.
func fromValue(value, into any) error {
	asJSON, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return kjson.UnmarshalCaseSensitivePreserveInts(asJSON, into)
}

// UnmarshalJSON reads the settings from under the key that Type names.
func (c *Cloud) UnmarshalJSON(data []byte) error {
	var fields map[string]any
	if err := kjson.UnmarshalCaseSensitivePreserveInts(data, &fields); err != nil {
		return err
	}
	*c = Cloud{}
	c.Type, _ = fields["type"].(string)
	c.Account, _ = fields["account"].(string)
	if config, set := fields[c.Type]; set {
		settings, ok := config.(map[string]any)
		if !ok {
			return fmt.Errorf("cloud.%s: expected a mapping", c.Type)
		}
		c.Config = settings
	}
	return nil
}

// MarshalJSON is the inverse of UnmarshalJSON.
func (c Cloud) MarshalJSON() ([]byte, error) {
	fields := map[string]any{"type": c.Type}
	if c.Account != "" {
		fields["account"] = c.Account
	}
	if c.Config != nil {
		fields[c.Type] = c.Config
	}
	return json.Marshal(fields)
}
