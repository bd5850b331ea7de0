"""What data migrations of generated projects do, and what they saw."""

from concurrent.futures import ThreadPoolExecutor

from django.db import Error, connections, models, transaction

LOG = []


def get_label(model):
    return model if isinstance(model, str) else model._meta.label


def get_error(error):
    return f"{type(error).__name__}: {error}"


def get_managed_models(apps, schema_editor):
    """Return the models with tables, in an order that depends on names."""
    tables = set(schema_editor.connection.introspection.table_names())
    return [
        model
        for model in sorted(apps.get_models(), key=get_label)
        if model._meta.db_table in tables and not model._meta.proxy
    ]


def describe_relation(relation):
    return [
        type(relation).__name__,
        relation.name,
        get_label(relation.related_model),
        relation.get_accessor_name() or "",
    ]


def is_reverse(field):
    return field.auto_created and not field.concrete


def describe_model(model):
    """Return what a model class tells about itself."""
    opts = model._meta
    return {
        "bases": [
            get_label(base) if hasattr(base, "_meta") else base.__name__
            for base in model.__mro__
        ],
        "fields": [field.name for field in opts.get_fields() if not is_reverse(field)],
        "reverse": sorted(
            describe_relation(obj) for obj in filter(is_reverse, opts.get_fields())
        ),
        "columns": [field.column for field in opts.local_concrete_fields],
        "managers": [manager.name for manager in opts.managers],
        "ordering": list(opts.ordering),
        "pk": opts.pk.name,
        "parents": [get_label(parent) for parent in opts.parents],
        "table": opts.db_table,
        "related": sorted(describe_relation(obj) for obj in opts.related_objects),
        "targets": [
            [field.name, get_label(field.remote_field.model)]
            for field in opts.get_fields()
            if not field.auto_created and field.is_relation and field.remote_field
        ],
        "through": [
            [field.name, get_label(field.remote_field.through)]
            for field in opts.local_many_to_many
        ],
        "attributes": sorted(
            name
            for name in vars(model)
            if not name.startswith("__") and name != "saves"
        ),
    }


def look_at_order(apps, schema_editor):
    LOG.append(["order", [get_label(model) for model in apps.get_models()]])
    LOG.append(["hidden", [get_label(m) for m in apps.get_models(True, True)]])


def look(apps, schema_editor):
    """Look at all models, in alphabetical order."""
    for model in sorted(apps.get_models(), key=get_label):
        LOG.append(["model", get_label(model), describe_model(model)])
        # It follows the order of models.
        names = [obj.name for obj in model._meta.related_objects]
        LOG.append(["order", get_label(model), names])


def look_at_first(apps, schema_editor):
    """Look at one model before any other is touched."""
    labels = sorted(config.label for config in apps.get_app_configs())
    for label in labels:
        for name in sorted(apps.all_models[label]):
            model = apps.get_model(label, name)
            LOG.append(["related", name, sorted(map(str, model._meta.related_objects))])
            return


def look_from_threads(apps, schema_editor):
    def look_at(label):
        return sorted(f.name for f in apps.get_model(label)._meta.get_fields())

    labels = sorted(get_label(model) for model in apps.get_models())
    with ThreadPoolExecutor(4) as executor:
        LOG.append(["threads", *zip(labels, executor.map(look_at, labels))])


def make_value(field, number):
    kind = field.get_internal_type()
    if "Char" in kind or "Text" in kind:
        return f"v{number}"[: field.max_length or 10]
    if kind == "BooleanField":
        return bool(number % 2)
    if kind.endswith("IntegerField") or kind == "DecimalField":
        return number
    return None


def make_values(model, using, depth):
    """Return what to create a row with."""
    number = model._base_manager.using(using).count() + 1
    values = {}
    for field in model._meta.concrete_fields:
        if field.generated or isinstance(field, models.AutoField):
            continue
        if field.is_relation:
            if not field.remote_field.parent_link:
                values[field.name] = make_target(field, model, using, depth)
        elif not field.has_default() or field.unique:
            values[field.name] = make_value(field, number)
    return {name: value for name, value in values.items() if value is not None}


def make_target(field, model, using, depth):
    target = field.remote_field.model
    if field.null and (depth > 1 or field.unique or target is model):
        return None
    if obj := target._base_manager.using(using).order_by("pk").last():
        return obj
    return make_row(target, using, depth + 1)


def make_row(model, using, depth=0):
    obj = model(**make_values(model, using, depth))
    obj.save(using=using)
    return obj


def attempt(label, using, function, *args):
    """Log what a function returns or raises."""
    try:
        with transaction.atomic(using):
            value = function(*args)
            if connections[using].features.can_defer_constraint_checks:
                # What fails does so here instead of at the end.
                connections[using].check_constraints()
        LOG.append([label, value])
    except (AttributeError, Error, LookupError, TypeError, ValueError) as e:
        LOG.append([label, get_error(e)])


def create_rows(apps, schema_editor):
    using = schema_editor.connection.alias
    for model in get_managed_models(apps, schema_editor):
        attempt(
            f"create {get_label(model)}",
            using,
            lambda model=model: str(make_row(model, using)),
        )


def save_rows(apps, schema_editor):
    """Write every row as it is."""
    using = schema_editor.connection.alias

    def save(model):
        rows = list(model._default_manager.using(using).order_by("pk"))
        for obj in rows:
            obj.save(using=using)
        return len(rows)

    for model in get_managed_models(apps, schema_editor):
        attempt(f"save {get_label(model)}", using, save, model)


def follow(apps, schema_editor):
    """Read the rows of all models across all relations."""
    using = schema_editor.connection.alias

    def read(model, name):
        rows = model._base_manager.using(using).order_by("pk")
        # Databases return rows with the same pk in any order.
        return sorted(str(row) for row in rows.values_list("pk", name))

    for model in get_managed_models(apps, schema_editor):
        for field in sorted(model._meta.get_fields(), key=lambda f: f.name):
            if field.is_relation:
                name = f"{field.name}__pk"
                attempt(f"read {get_label(model)}.{name}", using, read, model, name)


def follow_accessors(apps, schema_editor):
    """Read rows by the attributes of objects."""
    using = schema_editor.connection.alias

    def read(obj, name):
        value = getattr(obj, name)
        return sorted(map(str, value.all())) if hasattr(value, "all") else str(value)

    for model in get_managed_models(apps, schema_editor):
        label = get_label(model)
        obj = model._base_manager.using(using).order_by("pk").first()
        if obj is None:
            continue
        for relation in sorted(model._meta.related_objects, key=lambda o: o.name):
            if name := relation.get_accessor_name():
                attempt(f"get {label}.{name}", using, read, obj, name)
        for field in sorted(model._meta.get_fields(), key=lambda f: f.name):
            if not field.auto_created and field.is_relation:
                attempt(f"get {label}.{field.name}", using, read, obj, field.name)


def fill_relations(apps, schema_editor):
    """Add objects to many-to-many relations."""
    using = schema_editor.connection.alias

    def fill(model, field):
        obj = model._base_manager.using(using).order_by("pk").first()
        other = field.remote_field.model._base_manager.using(using)
        if obj is not None and (other := other.order_by("pk").last()):
            getattr(obj, field.name).add(other)
            return getattr(obj, field.name).count()

    for model in get_managed_models(apps, schema_editor):
        for field in model._meta.local_many_to_many:
            attempt(f"fill {get_label(model)}.{field.name}", using, fill, model, field)


def delete_rows(apps, schema_editor):
    """Delete a row of every other model, with those that refer to it."""
    using = schema_editor.connection.alias

    def delete(model):
        obj = model._base_manager.using(using).order_by("pk").first()
        return obj and obj.delete()

    for model in get_managed_models(apps, schema_editor)[::2]:
        attempt(f"delete {get_label(model)}", using, delete, model)


def delete_in_order(apps, schema_editor):
    """Delete the last rows of all models in the order of the registry."""
    using = schema_editor.connection.alias
    managed = get_managed_models(apps, schema_editor)

    def delete(model):
        obj = model._base_manager.using(using).order_by("pk").last()
        return obj and obj.delete()

    for model in apps.get_models():
        if model in managed:
            attempt(f"delete {get_label(model)}", using, delete, model)
