using System.Buffers.Binary;

namespace Preconf.Native.ParityTests;

/// <summary>Makes the inputs that are too long to be written out.</summary>
internal static class VectorRules
{
    public static byte[] Make(VectorNode rule) => rule.Has("kind")
        ? rule["kind"].Text switch
        {
            "fill" => Fill(rule["byte"].Number, rule["len"].Number),
            "splitmix64" => SplitMix64(rule["seed"].Number, rule["len"].Number),
            string other => throw new InvalidDataException($"{rule.Path}: unknown rule {other}"),
        }
        : Repeat(rule["prefix"].Bytes, rule["repeat"].Bytes, rule["count"].Number);

    /// <summary>The encodings of a list's elements.</summary>
    public static byte[][] MakeElements(VectorNode rule, ulong count)
    {
        ulong length = rule["element_len"].Number;
        switch (rule["kind"].Text)
        {
            case "fill":
                byte[] filled = Fill(rule["byte"].Number, length);
                return [.. Enumerable.Repeat(filled, (int)count)];
            case "splitmix64-each":
                Assert.Equal("element i bytes = splitmix64(seed+i) stream, 382 bytes, then byte0 &= 1; that is its SSZ encoding", rule["note"].Text);
                ulong seed = rule["seed"].Number;
                return [.. Enumerable.Range(0, (int)count).Select(i => Element(seed + (ulong)i, length))];
            default:
                throw new InvalidDataException($"{rule.Path}: unknown rule {rule["kind"].Text}");
        }
    }

    public static byte[] SplitMix64(ulong seed, ulong length)
    {
        byte[] bytes = new byte[checked((int)((length + 7) / 8 * 8))];
        ulong state = seed;
        for (int at = 0; at < bytes.Length; at += 8)
        {
            state = unchecked(state + 0x9E3779B97F4A7C15);
            ulong z = state;
            z = unchecked((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9);
            z = unchecked((z ^ (z >> 27)) * 0x94D049BB133111EB);
            z ^= z >> 31;
            BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(at), z);
        }

        return bytes[..(int)length];
    }

    private static byte[] Element(ulong seed, ulong length)
    {
        byte[] bytes = SplitMix64(seed, length);
        bytes[0] &= 1;
        return bytes;
    }

    private static byte[] Fill(ulong value, ulong length)
    {
        byte[] bytes = new byte[length];
        Array.Fill(bytes, checked((byte)value));
        return bytes;
    }

    private static byte[] Repeat(byte[] prefix, byte[] repeat, ulong count)
    {
        byte[] bytes = new byte[prefix.Length + (repeat.Length * checked((int)count))];
        prefix.CopyTo(bytes, 0);
        for (int at = prefix.Length; at < bytes.Length; at += repeat.Length)
        {
            repeat.CopyTo(bytes, at);
        }

        return bytes;
    }
}
