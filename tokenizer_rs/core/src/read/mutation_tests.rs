//! Small valid files of every format, damaged in many random ways: reading them never panics, and what is
//! read is a mesh within the limits.

use super::{gltf, read, Format, ReadLimits};

const N_MUTATIONS: u32 = 20_000;
const LIMITS: ReadLimits = ReadLimits {
    max_triangles: 1_000,
    max_bytes: 1 << 16,
};

const OBJ: &str =
    "usemtl a\nv 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0.5\nf 1/1/1 2//2 3\nf -4 -3 \\\n-2 -1\n";
const OFF: &str = "OFF # x\n4 2 0\n0 0 0\n1 0 0\n1 1 0\n0 1 .5\n3 0 1 2\n4 0 1 2 3 255\n";
const STL: &str = "solid a\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 1 0 0\nvertex 0 1e-1 .5\nendloop\nendfacet\nendsolid\n";
const PLY: &str = "element vertex 4\nproperty float x\nproperty float y\nproperty float z\nelement face 2\nproperty list uchar int vertex_indices\nend_header\n";

/// Marsaglia's xorshift (2003): the same damage on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }

    /// Damages a few places: bits flipped, bytes replaced, cut out, repeated or inserted.
    fn damage(&mut self, content: &mut Vec<u8>) {
        const SPECIAL: [u8; 12] = *b"\0\xff\x7f\x80-9 \n\"[{\x01";
        for _ in 0..=self.below(4) {
            let position = self.below(content.len());
            let end = (position + 1 + self.below(8)).min(content.len());
            match self.below(6) {
                _ if content.is_empty() => content.push(b'v'),
                0 => content[position] ^= 1 << self.below(8),
                1 => content[position] = SPECIAL[self.below(SPECIAL.len())],
                2 => content[position] = self.below(256) as u8,
                3 => drop(content.drain(position..end)),
                4 => content.extend_from_within(position..end),
                _ => content.insert(position, SPECIAL[self.below(SPECIAL.len())]),
            }
        }
        if self.below(16) == 0 {
            content.truncate(self.below(content.len()));
        }
    }
}

fn binary_stl() -> Vec<u8> {
    let mut content = vec![b' '; 80];
    content.extend(2_u32.to_le_bytes());
    content.extend((0..100).map(|i| [0, 0, 128, 63][i % 4]));
    content
}

fn ply(encoding: &str) -> Vec<u8> {
    let points = [
        [0.0_f32, 0.0, 0.0],
        [1.0, 0.0, 0.0],
        [1.0, 1.0, 0.0],
        [0.0, 1.0, 0.5],
    ];
    let polygons: [&[i32]; 2] = [&[0, 1, 2], &[0, 1, 2, 3]];
    let mut content = format!("ply\nformat {encoding} 1.0\n{PLY}").into_bytes();
    match encoding {
        "ascii" => content.extend(b"0 0 0 1 0 0 1 1 0 0 1 .5\n3 0 1 2\n4 0 1 2 3\n"),
        "binary_big_endian" => {
            content.extend(points.iter().flatten().flat_map(|x| x.to_be_bytes()));
            for polygon in polygons {
                content.push(polygon.len() as u8);
                content.extend(polygon.iter().flat_map(|i| i.to_be_bytes()));
            }
        }
        _ => {
            content.extend(points.iter().flatten().flat_map(|x| x.to_le_bytes()));
            for polygon in polygons {
                content.push(polygon.len() as u8);
                content.extend(polygon.iter().flat_map(|i| i.to_le_bytes()));
            }
        }
    }
    content
}

fn samples() -> Vec<(Format, Vec<u8>)> {
    let mut samples = gltf::tests::samples();
    samples.push((Format::Obj, OBJ.into()));
    samples.push((Format::Off, OFF.into()));
    samples.push((Format::Stl, STL.into()));
    samples.push((Format::Stl, binary_stl()));
    for encoding in ["ascii", "binary_little_endian", "binary_big_endian"] {
        samples.push((Format::Ply, ply(encoding)));
    }
    samples
}

#[test]
fn damaged_files_are_refused_or_read_as_a_mesh() {
    for (i, (format, sample)) in samples().iter().enumerate() {
        let whole = read(sample, *format, None, &LIMITS);
        assert!(whole.is_ok(), "sample {i}: {whole:?}");
        let mut random = Random(0x9e37_79b9_7f4a_7c15 + i as u64);
        let mut n_read = 0;
        for _ in 0..N_MUTATIONS {
            let mut content = sample.clone();
            random.damage(&mut content);
            let Ok(loaded) = read(&content, *format, None, &LIMITS) else {
                continue;
            };
            n_read += 1;
            loaded.mesh.check().unwrap();
            assert!(!loaded.mesh.faces.is_empty());
            assert!(loaded.mesh.faces.len() <= LIMITS.max_triangles);
            assert!(loaded.mesh.vertices.len() <= 3 * loaded.mesh.faces.len());
        }
        // Damage that is always found out by the first check would test nothing else.
        assert!(n_read > N_MUTATIONS / 1000, "sample {i}: {n_read} read");
    }
}
