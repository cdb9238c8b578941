package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// OneOf returns an error if the value of the variable name is not one of those allowed.
func OneOf(name, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("%s: is %q; it must be one of %s", name, value, strings.Join(allowed, ", "))
}

// AtLeast returns an error if the value of the variable name is below least.
func AtLeast[T cmp.Ordered](name string, value, least T) error {
	if value >= least {
		return nil
	}
	return fmt.Errorf("%s: is %v; it must be at least %v", name, value, least)
}
