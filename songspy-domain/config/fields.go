package config

import (
	"reflect"
	"strings"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// List is a variable of several values, separated by commas. Spaces around a
// value and empty values are ignored.
type List []string

// UnmarshalText reads the list.
func (l *List) UnmarshalText(text []byte) error {
	*l = nil
	for value := range strings.SplitSeq(string(text), ",") {
		if value = strings.TrimSpace(value); value != "" {
			*l = append(*l, value)
		}
	}
	return nil
}

// field is one variable of a configuration struct.
type field struct {
	key    string // SONGSPY_…
	name   string // the name of the struct field
	typ    reflect.Type
	secret bool
}

// expected returns a phrase that says what the variable must look like.
func (f field) expected() string {
	switch {
	case f.typ == reflect.TypeFor[time.Duration]():
		return "is not a duration; write one such as 90s, 30m or 12h"
	case f.typ.Kind() == reflect.Bool:
		return "must be true or false"
	case f.typ.Kind() >= reflect.Int && f.typ.Kind() <= reflect.Float64:
		return "must be a number"
	default:
		return "cannot be read as " + f.typ.String()
	}
}

// fieldsOf returns the variables of the struct that into points to, including
// nested structs.
func fieldsOf(into any) []field {
	var fields []field
	for _, v := range nestedStructs(into) {
		for _, f := range reflect.VisibleFields(reflect.TypeOf(v).Elem()) {
			key, _, _ := strings.Cut(f.Tag.Get("env"), ",")
			if key == "" || len(f.Index) > 1 {
				continue
			}
			fields = append(fields, field{key, f.Name, f.Type, f.Type == reflect.TypeFor[songspy.Secret]()})
		}
	}
	return fields
}

// nestedStructs returns a pointer to each exported struct field within the struct that
// into points to, at any depth, and into itself as the last.
func nestedStructs(into any) []any {
	var found []any
	v := reflect.ValueOf(into).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.Struct && v.Type().Field(i).IsExported() {
			found = append(found, nestedStructs(f.Addr().Interface())...)
		}
	}
	return append(found, into)
}
