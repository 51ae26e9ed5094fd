using System.Globalization;
using System.Text.Json;
using Preconf.Native.Types;

namespace Preconf.Native.ParityTests;

/// <summary>
/// A value of a vector file that remembers what was read of it, so that a test can prove it looked at everything: a case, a section or a field
/// nobody asked for fails.
/// </summary>
internal sealed class VectorNode(JsonElement element, string path)
{
    private readonly Dictionary<string, VectorNode> _members = [];
    private VectorNode[]? _items;
    private bool _read;

    public string Path { get; } = path;

    public VectorNode this[string name] => Optional(name) ?? throw new InvalidDataException($"{Path}.{name} is missing");

    public IReadOnlyList<VectorNode> Items => _items ??= element.ValueKind == JsonValueKind.Array
        ? [.. element.EnumerateArray().Select((item, i) => new VectorNode(item, $"{Path}[{i}]"))]
        : throw new InvalidDataException($"{Path} is no list but {element.ValueKind}");

    /// <summary>All members of an object, by name.</summary>
    public IReadOnlyList<string> Names => element.ValueKind == JsonValueKind.Object
        ? [.. element.EnumerateObject().Select(member => member.Name)]
        : throw new InvalidDataException($"{Path} is no object but {element.ValueKind}");

    public bool IsNull
    {
        get
        {
            _read |= element.ValueKind == JsonValueKind.Null;
            return element.ValueKind == JsonValueKind.Null;
        }
    }

    public string Text => Leaf(JsonValueKind.String).GetString()!;

    public bool Flag => Leaf(JsonValueKind.True, JsonValueKind.False).GetBoolean();

    /// <summary>A number, or a text that holds one.</summary>
    public ulong Number => Leaf(JsonValueKind.Number, JsonValueKind.String).ValueKind == JsonValueKind.Number
        ? element.GetUInt64()
        : ulong.Parse(element.GetString()!, CultureInfo.InvariantCulture);

    public double Real => Leaf(JsonValueKind.Number).GetDouble();

    public byte[] Bytes
    {
        get
        {
            string text = Text;
            return text.StartsWith("0x", StringComparison.Ordinal) && !text.AsSpan(2).ContainsAnyInRange('A', 'F')
                ? Convert.FromHexString(text.AsSpan(2))
                : throw new InvalidDataException($"{Path} is not 0x and lower-case hex: {text}");
        }
    }

    public Bytes32 Bytes32 => Parsed(Types.Bytes32.Parse(Text), value => value.ToString());

    public Address Address => Parsed(Types.Address.Parse(Text), value => value.ToString());

    public Signature Signature => Parsed(Types.Signature.Parse(Text), value => value.ToString());

    public UInt256 UInt256 => Parsed(Types.UInt256.Parse(Text), value => value.ToString());

    public bool Has(string name) => element.TryGetProperty(name, out _);

    public VectorNode? Optional(string name)
    {
        if (!_members.TryGetValue(name, out VectorNode? node) && element.TryGetProperty(name, out JsonElement member))
        {
            _members[name] = node = new VectorNode(member, $"{Path}.{name}");
        }

        return node;
    }

    /// <summary>Leaves a value and all in it unread, for a reason that the caller gives.</summary>
    public void Skip(string reason)
    {
        ArgumentException.ThrowIfNullOrEmpty(reason);
        _read = true;
    }

    /// <summary>The bytes of a field that is written out, or under its name and <c>_rule</c> made by a rule.</summary>
    public byte[] BytesOrRule(string name) => Has(name) ? this[name].Bytes : VectorRules.Make(this[$"{name}_rule"]);

    public IEnumerable<string> Unread()
    {
        if (_read)
        {
            return [];
        }

        return element.ValueKind switch
        {
            JsonValueKind.Object => Names.SelectMany(name => _members.TryGetValue(name, out VectorNode? node) ? node.Unread() : [$"{Path}.{name}"]),
            JsonValueKind.Array => Items.SelectMany(item => item.Unread()),
            _ => [Path],
        };
    }

    private JsonElement Leaf(params ReadOnlySpan<JsonValueKind> kinds)
    {
        _read = true;
        return kinds.Contains(element.ValueKind) ? element : throw new InvalidDataException($"{Path} is {element.ValueKind}");
    }

    /// <summary>Proves that the text a type writes is the text it was read from.</summary>
    private T Parsed<T>(T value, Func<T, string> write) =>
        write(value) == element.GetString() ? value : throw new InvalidDataException($"{Path}: {element.GetString()} was read as {write(value)}");
}
